# Written by 'conda-stage --auto-stage=enable': stages this environment when it is activated.
# To disable: conda-stage --auto-stage=disable
#
# conda's alias sources this (tcsh). conda's own arguments are still there. An environment is not staged when conda
# reactivates it, as after 'conda install', or comes back to it. A terminal might obey a name that is not plain ASCII.
if ( ! $?__CONDA_STAGE_AUTO && x$1:q == xactivate ) then
  set __conda_stage_launcher = @LAUNCHER@
  if ( $?CONDA_STAGE ) then
    switch ( $CONDA_STAGE:q )
      case [Ff][Aa][Ll][Ss][Ee]:
      case [Nn][Oo]:
      case [Oo][Ff][Ff]:
      case 0:
        /bin/sh -c 'LC_ALL=C; case $CONDA_DEFAULT_ENV in *[\!\ -~]*) n="(its name can not be shown)" ;; *) n="'"'"'$CONDA_DEFAULT_ENV'"'"'" ;; esac; printf "%s\n" "WARNING: CONDA_STAGE=$CONDA_STAGE: conda environment $n is not staged" >&2'
        unset __conda_stage_launcher
    endsw
  endif
  if ( $?__conda_stage_launcher ) then
    eval @PROLOGUE@
    if ( "`alias conda-stage`" == "" ) then
      if ( ! -x $__conda_stage_launcher:q ) set __conda_stage_launcher = "`/bin/sh -c 'command -v conda-stage'`"
      if ( x$__conda_stage_launcher:q != x ) then
        set __conda_stage_function = "`( setenv LD_PRELOAD ''; setenv LD_LIBRARY_PATH ''; exec $__conda_stage_launcher:q --source=tcsh )`"
        eval $__conda_stage_function:q
        unset __conda_stage_function
      endif
    endif
    if ( "`alias conda-stage`" == "" ) then
      ( setenv __CONDA_STAGE_AT @LAUNCHER@ ; exec /bin/sh -c '[ -x "$__CONDA_STAGE_AT" ] && why= || why="conda-stage was not found (it was at $__CONDA_STAGE_AT): "; LC_ALL=C; case $CONDA_DEFAULT_ENV in *[\!\ -~]*) n="(its name can not be shown)" ;; *) n="'"'"'$CONDA_DEFAULT_ENV'"'"'" ;; esac; printf "%s\n" "WARNING: $why$n is not staged" >&2' )
    else
      conda-stage --auto --session=$$ @ARGUMENTS@
      if ( $status == 1 ) /bin/sh -c 'LC_ALL=C; case $CONDA_DEFAULT_ENV in *[\!\ -~]*) n="(its name can not be shown)" ;; *) n="'"'"'$CONDA_DEFAULT_ENV'"'"'" ;; esac; printf "%s\n" "WARNING: $n is not staged" >&2'
    endif
    unset __conda_stage_launcher
  endif
endif
