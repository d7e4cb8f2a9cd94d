#!/bin/bash -p
# Starts a program of a conda environment from the environment's copy on this node, which is made if there is none. Whatever
# goes wrong with that, the original's program runs. Written by conda-stage --wrappers; write it again rather than edit it.

# bash, because dash loses variables such as BASH_FUNC_module%%, which the program may need. -p, because bash would else take
# functions and options from variables. No variable that the program gets may change, so these have names of their own.
__cs_environment=@ENVIRONMENT@
__cs_program=@PROGRAM@
__cs_launcher=@LAUNCHER@
__cs_note=@NOTES@-$EUID/@HASH@
__cs_copy=''

# Sets __cs_copy if the last full look, of which conda-stage has left a note, still holds: then no other program has to start. It
# holds for some minutes, until the machine starts again, until the copy is away, and until packages change in the original.
__cs_is_known() {
  [ "${CONDA_STAGE:-true}" = true ] || return
  # The note says what runs, so it must be ours. Anybody may make a folder in /tmp, or a link.
  [ -O "${__cs_note%/*}" ] && [ ! -L "${__cs_note%/*}" ] && [ -O "$__cs_note" ] || return
  {
    IFS= read -r __cs_format && IFS= read -r __cs_same_boot && IFS= read -r __cs_same_first && IFS= read -r __cs_until &&
      IFS= read -r __cs_only && IFS= read -r __cs_copy && IFS= read -r __cs_original &&
      IFS= read -r __cs_before && IFS= read -r __cs_between && IFS= read -r __cs_after && IFS= read -r __cs_latest
  } < "$__cs_note" || return
  # The number of a process means something only among those that have its first process in common: containers have their own.
  read -r __cs_first < /proc/1/stat || __cs_first=''
  read -r __cs_boot < /proc/sys/kernel/random/boot_id && read -r __cs_now _ < /proc/uptime &&
    read -r __cs_stat < "/proc/$$/stat" || return
  [ "$__cs_format" = 2 ] && [ "$__cs_boot" = "$__cs_same_boot" ] && [ "${__cs_now%%.*}" -lt "$__cs_until" ] &&
    __cs_started "$__cs_same_first" ${__cs_first##*) } && __cs_is_for_us && [ -x "$__cs_copy/bin/$__cs_program" ] &&
    __cs_is_unchanged && __cs_use "${__cs_copy%/*}" ${__cs_stat##*) }
}

# $1: when the first process was started; $2...: what /proc says of it, from its state on. Nothing where that is hidden.
__cs_started() { [ "$1" = "${21-}" ]; }

# A copy in a folder of one job, or of one session, goes with it.
__cs_is_for_us() {
  case $__cs_only in
    '' | "${SLURM_JOB_ID:-${PBS_JOBID:-${LSB_JOBID:-${JOB_ID-}}}}" | "${TMPDIR-}") ;;
    *) return 1 ;;
  esac
}

# The note's file has the latest time of these folders, and the file beside it a moment before. A link may lead to another
# environment since, or another one may have been moved here, even an older one.
__cs_is_unchanged() {
  @CHECKS@
}

# $1: the folder of the copy; $2...: what /proc says of this process, from its state on. Leaves word that this process, which becomes
# the program, uses the copy, and looks then whether somebody removes it.
__cs_use() {
  __cs_folder=$1 __cs_name=0000000000000000${21}$$
  __cs_name=${__cs_name#"${__cs_name%????????????????}"}
  printf '%s%s%s%s%s\n' "$__cs_before" $$ "$__cs_between" "${21}" "$__cs_after" \
    > "$__cs_folder/.leases/$__cs_name.json" || return
  set -- "$__cs_folder"/.leases/*.leaving
  [ ! -e "$1" ] && [ -e "$__cs_folder/stage.json" ] || return
  # Words of processes that have ended are removed by a full look.
  set -- "$__cs_folder"/.leases/*.json
  [ $# -lt @MOST@ ]
}

__cs_look() {
  [ -x "$__cs_launcher" ] || return
  # Of a place that has no environment any more, there is nothing to look at.
  [ -e "$__cs_environment" ] || return
  __cs_copy=$(
    CONDA_STAGE_WRITABLE=false CONDA_STAGE_PRIVATE=false \
      "$__cs_launcher" --prefix="$__cs_environment" --session=$$ --quiet --note="$__cs_note" < /dev/null
  )
  case $? in
    0) [ -x "$__cs_copy/bin/$__cs_program" ] ;;
    # Ctrl-C is for the program, too. Where it is ignored, this does nothing.
    130) kill -s INT $$ && return 1 ;;
    *) return 1 ;;
  esac
}

# Whoever removes the copy at this moment, or has damaged it, leaves the original.
shopt -s execfail
if __cs_is_known 2> /dev/null || __cs_look; then exec "$__cs_copy/bin/$__cs_program" "$@"; fi
if [ ! -e "$__cs_environment/bin/$__cs_program" ]; then
  printf '%s\n' "ERROR: $__cs_environment/bin/$__cs_program can't be found" \
    "       If the environment was moved, write its wrappers again:  conda-stage --wrappers=DIR --prefix=ENV" >&2
  exit 127
fi
shopt -u execfail
exec "$__cs_environment/bin/$__cs_program" "$@"
