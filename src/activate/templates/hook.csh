# csh has no functions, so an alias sources a file. All on one line, because eval in csh joins lines.
if ( ! $?tcsh ) /bin/sh -c 'echo "ERROR: conda-stage needs tcsh: this csh can not source a file with arguments." 1>&2' ; if ( $?tcsh ) alias conda-stage \"\"source @@TEMPLATES@@/call.csh @@TEMPLATES@@ @@LAUNCHER@@ \!\*
