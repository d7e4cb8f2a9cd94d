# Completion of conda-stage for bash 4 or newer. Printed by: conda-stage --completion=bash
__conda_stage_complete() {
  local IFS=$' \t\n' cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} option= start= kind= choices= known
  COMPREPLY=()
  # bash splits --option=value at the equals sign, unless COMP_WORDBREAKS lacks it.
  if [[ $cur == "=" ]]; then
    option=$before cur=
  elif [[ $before == "=" ]]; then
    option=${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $cur == --*=* ]]; then
    option=${cur%%=*} start=${cur%%=*}= cur=${cur#*=}
  elif [[ $cur != -* ]]; then
    option=$before
  fi
  case $option in
@VALUES@
  esac
  case $kind in
    choice) mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur") ;;
    folder | environment)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      if [[ $kind == environment && -r ~/.conda/environments.txt ]]; then
        while IFS= read -r known; do
          [[ $known == "$cur"* && $known/ != "$cur" ]] && COMPREPLY+=("$known")
        done < ~/.conda/environments.txt
      fi
      ;;
    file)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      ;;
    '')
      mapfile -t COMPREPLY < <(compgen -W @OPTIONS@ -- "$cur")
      [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
      ;;
  esac
  [[ -z $start ]] || COMPREPLY=("${COMPREPLY[@]/#/$start}")
}
complete -F __conda_stage_complete conda-stage
