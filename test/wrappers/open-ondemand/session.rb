# Prints the job script of a session, as Open OnDemand does. Standard input: what the cluster's and the app's files say, as JSON.
# The folder ood_core has the files that this takes, as they are in https://github.com/OSC/ood_core/tree/86656b38/lib/ood_core

$LOAD_PATH.unshift(__dir__)
require "json"
require "ood_core/refinements/array_extensions"
require "ood_core/batch_connect/template"
require "ood_core/batch_connect/factory"

puts "#!/bin/bash", OodCore::BatchConnect::Factory.build(JSON.parse($stdin.read)).to_s
