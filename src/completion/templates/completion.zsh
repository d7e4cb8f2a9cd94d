#compdef conda-stage
# Completion of conda-stage for zsh. Evaluate it after compinit, or keep it as _conda-stage in a folder of fpath.
# Printed by: conda-stage --completion=zsh
_conda-stage-environments() {
  local -a known
  [[ -r ~/.conda/environments.txt ]] && known=(${(f)"$(< ~/.conda/environments.txt)"})
  _alternative 'environments:environment:compadd -f -a known' 'folders:folder:_files -/'
}
_conda-stage() {
  _arguments -S : \
@SPECS@
}
if [[ ${funcstack[1]-} == _conda-stage ]]; then
  _conda-stage "$@"
else
  compdef _conda-stage conda-stage
fi
