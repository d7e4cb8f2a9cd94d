# Activates the environment that holds this file, and defines a function 'deactivate' that undoes it. Source it from fish.
# conda-stage writes this script into its archives.

set -l prefix (builtin realpath -s (dirname (status filename))/..)
if test "$CONDA_PREFIX" != "$prefix"
    if set -q _CONDA_STAGE_UNPACKED; and functions -q deactivate
        deactivate
    end
    set -g _CONDA_STAGE_OLD_PREFIX $CONDA_PREFIX
    set -g _CONDA_STAGE_OLD_NAME $CONDA_DEFAULT_ENV
    set -g _CONDA_STAGE_OLD_MODIFIER $CONDA_PROMPT_MODIFIER
    set -g _CONDA_STAGE_UNPACKED $prefix
    set -gx CONDA_PREFIX $prefix
    set -gx CONDA_DEFAULT_ENV (basename $prefix)
    set -gx CONDA_PROMPT_MODIFIER "($CONDA_DEFAULT_ENV) "
    set -gx PATH $prefix/bin $PATH
    if functions -q fish_prompt; and not functions -q _conda_stage_old_prompt
        functions -c fish_prompt _conda_stage_old_prompt
        function fish_prompt
            # The user's own prompt runs first: it may show the status of the last command.
            set -l prompt (_conda_stage_old_prompt)
            echo -n "$CONDA_PROMPT_MODIFIER"
            string join -- \n $prompt
        end
    end
    for script in $prefix/etc/conda/activate.d/*.fish
        source $script
    end
end

function deactivate -d 'Leave the unpacked conda environment'
    set -q _CONDA_STAGE_UNPACKED; or return 0
    set -l scripts $_CONDA_STAGE_UNPACKED/etc/conda/deactivate.d/*.fish
    if set -q scripts[1]
        for script in $scripts[-1..1]
            source $script
        end
    end
    if set -l at (contains -i -- $_CONDA_STAGE_UNPACKED/bin $PATH)
        set -e PATH[$at]
    end
    if set -q _CONDA_STAGE_OLD_PREFIX[1]
        set -gx CONDA_PREFIX $_CONDA_STAGE_OLD_PREFIX
        set -gx CONDA_DEFAULT_ENV $_CONDA_STAGE_OLD_NAME
        set -gx CONDA_PROMPT_MODIFIER $_CONDA_STAGE_OLD_MODIFIER
    else
        set -e CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER
    end
    if functions -q _conda_stage_old_prompt
        functions -e fish_prompt
        functions -c _conda_stage_old_prompt fish_prompt
        functions -e _conda_stage_old_prompt
    end
    set -e _CONDA_STAGE_UNPACKED _CONDA_STAGE_OLD_PREFIX _CONDA_STAGE_OLD_NAME _CONDA_STAGE_OLD_MODIFIER
    functions -e deactivate
end
