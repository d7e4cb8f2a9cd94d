#%Module1.0
# Printed by: conda-stage --modulefile=tcl
set version @VERSION@

proc ModulesHelp {} {
    puts stderr @HELP@
}
module-whatis "conda-stage $version: stage the active conda environment to local disk, and work from there"

regsub {/[^/]*$} [module-info name] {} name
conflict $name
# For programs that call conda-stage. Sessions call the function.
prepend-path PATH @FOLDER@

# For each shell: what 'conda-stage --source' prints, and code that undoes it.
@CODE@
array set kin {ksh sh csh tcsh}
set shell [module-info shell]
if {![info exists load($shell)] && [info exists kin($shell)]} {
    set shell $kin($shell)
}

# Turns code into one word: Modules before 5.1 lets the shell split it into words and expand file names.
proc escaped {text prefix} {
    set word {}
    foreach char [split $text {}] {
        scan $char %c number
        if {$number < 128 && ![string match {[a-zA-Z0-9_/.]} $char]} {
            set char $prefix[format %03o $number]
        }
        append word $char
    }
    return $word
}
proc oneWord {shell text} {
    switch -- $shell {
        bash - zsh { return "\\builtin eval \$'[escaped $text \\]'" }
        sh { return "\\eval \"\$(\\command printf %b '[escaped $text \\0]')\"" }
    }
    return $text
}

if {[info exists load($shell)] && ![module-info mode display]} {
    # Modules loads a module again in a subshell only if it sets a function or an alias. The code below, which runs
    # later, replaces the one that is set here. (It can't be empty: csh would print it.)
    if {[module-info shelltype] eq "csh"} {
        set-alias conda-stage :
    } elseif {[llength [info commands set-function]]} {
        set-function __conda_stage :
    }
    if {[module-info mode load] || [module-info mode refresh]} {
        puts stdout "[oneWord $shell $load($shell)];"
    } elseif {[module-info mode unload]} {
        puts stdout "[oneWord $shell $unload($shell)];"
    }
}
