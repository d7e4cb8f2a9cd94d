# A shell without functions, whose alias sources a file. On one line, since eval in csh sees no others.
if ( ! $?tcsh ) /bin/sh -c 'echo "conda-stage: this csh can not source a file with arguments; only tcsh can" 1>&2' ; if ( $?tcsh ) alias conda-stage \"\"source @@TEMPLATES@@/call.csh @@TEMPLATES@@ @@LAUNCHER@@ \!\*
