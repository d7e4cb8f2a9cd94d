# Completion of conda-stage for fish. Printed by: conda-stage --completion=fish
function __conda_stage_environments
    test -r ~/.conda/environments.txt
    and string match -- '/*' < ~/.conda/environments.txt
    __fish_complete_directories
end
complete -c conda-stage -e
complete -c conda-stage -f
@COMMANDS@
