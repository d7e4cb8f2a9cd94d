# The part of conda that lives in the shell. Like conda's own, it makes an alias that sources it again with arguments; then it
# evaluates what a program prints.
if ("`alias conda`" == "") then
  alias conda 'source "$CONDA_CSH_STAND_IN"'
  if (! $?CONDA_SHLVL) setenv CONDA_SHLVL 0
  if (! $?prompt) set prompt=""
else
  set ask_conda="`(setenv PS1 '${prompt}' ; setenv LANGUAGE_STAND_IN csh ; '${NODE_STAND_IN}' '${CONDA_EXE_STAND_IN}' '${1}' '${2}' ${argv[3-]})`"
  set conda_tmp_status=$status
  if ($conda_tmp_status != 0) exit ${conda_tmp_status}
  eval "${ask_conda}"
  rehash
endif
