# The alias conda-stage sources this with arguments: the folder of this file, the launcher, the arguments of the call.
# Shell code comes back in a file, because csh can't redirect descriptors. The first lines of the code remove that file.
# These become another program, whose standard streams are the session's.
if ( `( ""setenv LD_PRELOAD "" ; ""setenv LD_LIBRARY_PATH "" ; ""exec /bin/sh $1:q/becomes.sh $argv[3-]:q )` == yes ) then
  $argv[2]:q $argv[3-]:q
  ""exit $status
endif
if ( $?CONDA_STAGE ) then
  if ( x$CONDA_STAGE:q == xfalse ) ""exit 0
endif
# $1: folder of the code; $2 and $3: held values of LD_PRELOAD and LD_LIBRARY_PATH; $4: the prompt.
set argv = ( `( ""setenv LD_PRELOAD "" ; ""setenv LD_LIBRARY_PATH "" ; ""exec /bin/sh $1:q/code-folder.sh )` unset unset unset $argv[2-]:q )
if ( $1 == none ) ""exit 1
if ( $?LD_PRELOAD ) then
  set argv[2] = x$LD_PRELOAD:q
endif
if ( $?LD_LIBRARY_PATH ) then
  set argv[3] = x$LD_LIBRARY_PATH:q
endif
if ( $?prompt ) then
  set argv[4] = x$prompt:q
endif
# Through sh, since no status of the program may end a session that runs with -e: the code returns the status.
( ""setenv __CONDA_STAGE_SHELL tcsh ; ""setenv __CONDA_STAGE_CODE $1:q/code ; ""setenv __CONDA_STAGE_PS1 $4:q ; \
  ""setenv __CONDA_STAGE_PID $$ ; \
  ""setenv __CONDA_STAGE_HELD_LD_PRELOAD $2:q ; ""setenv LD_PRELOAD "" ; \
  ""setenv __CONDA_STAGE_HELD_LD_LIBRARY_PATH $3:q ; ""setenv LD_LIBRARY_PATH "" ; \
  ""exec /bin/sh -c '"$@" || :' sh $argv[5-]:q )
set argv = ( $1:q )
# No code at all means that the program could not start.
if ( ! -e $1:q/code ) then
  ( ""setenv LD_PRELOAD "" ; ""setenv LD_LIBRARY_PATH "" ; ""exec /bin/rm -rf -- $1:q )
  ""exit 1
endif
""source $1:q/code
