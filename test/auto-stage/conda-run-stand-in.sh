# What `conda run` does in conda 26.9: a script activates, runs the program, and then runs the scripts in the original's
# deactivate.d, whatever is active by then.
name=$1
shift
. "${CONDA_EXE_STAND_IN%.*}.sh"
conda activate "$name"
"$@"
status=$?
for script in "$CONDA_ROOT_STAND_IN/envs/$name"/etc/conda/deactivate.d/*.sh; do . "$script"; done
exit "$status"
