#!/bin/sh
# Installs conda-stage from this folder, for you or for a site. Needs no root, no npm and no network. See --help.
#
# DIR/libexec/conda-stage holds a folder for each installation, and `current`, a link to the newest. All else below DIR leads
# through that link, so an upgrade is one rename, before which everything is old and after which everything is new.

# bash, run as sh, takes functions from the environment.
unset -f cat cd cp diff dirname grep ln mkdir mv printf readlink rm rmdir sed tail tr
unset CDPATH
set -eu

usage() {
  cat << 'END'
Usage: ./install.sh [--prefix=DIR] [--rc] | --uninstall [--prefix=DIR]

Installs conda-stage below DIR (default: ~/.local), in bin/, libexec/ and share/. An older version is replaced.
Sessions that run it go on: its program stays until the installation after this one.

  --prefix=DIR   where to install; for a site, a folder that all nodes see
  --rc           also load the shell function in ~/.bashrc (or in the file of zsh or fish, if that is your shell);
                 without this, no such file is touched
  --uninstall    remove what was installed below DIR
END
}

say() {
  printf '%s\n' "$1"
}

fail() {
  printf 'ERROR: %s\n' "$1" >&2
  exit 1
}

read_arguments() {
  prefix='' rc=no action=install
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix=*) prefix=${1#*=} ;;
      --prefix)
        [ $# -gt 1 ] || fail '--prefix needs a folder'
        prefix=$2
        shift
        ;;
      --rc) rc=yes ;;
      --uninstall) action=uninstall ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) fail "unknown argument '$1' (./install.sh --help lists all)" ;;
    esac
    shift
  done
  if [ -z "$prefix" ]; then
    [ -n "${HOME-}" ] || fail 'HOME is not set. Say where to install: --prefix=DIR'
    prefix=$HOME/.local
  fi
  case $prefix in
    /*) ;;
    *) prefix=$PWD/$prefix ;;
  esac
  lib=$prefix/libexec/conda-stage
}

# Links below DIR, and what they lead to below the newest installation.
each_link() {
  "$1" bin/conda-stage ../
  "$1" share/man/man1/conda-stage.1 ../../../
  "$1" share/bash-completion/completions/conda-stage ../../../
  "$1" share/zsh/site-functions/_conda-stage ../../../
  "$1" share/fish/vendor_completions.d/conda-stage.fish ../../../
}

is_ours() {
  [ "$(readlink -- "$prefix/$1")" = "$2libexec/conda-stage/current/$1" ]
}

check_free() {
  [ ! -e "$prefix/$1" ] && [ ! -L "$prefix/$1" ] || is_ours "$1" "$2" ||
    fail "$prefix/$1 is there, and is not from this installer. Remove it, or install elsewhere: --prefix=DIR"
}

place_link() {
  ! is_ours "$1" "$2" || return 0
  mkdir -p -- "$prefix/${1%/*}" 2> /dev/null && ln -s -- "$2libexec/conda-stage/current/$1" "$prefix/$1" 2> /dev/null ||
    fail "$prefix/$1 can't be made. Choose another place: --prefix=DIR"
}

remove_link() {
  ! is_ours "$1" "$2" || rm -- "$prefix/$1"
}

install() {
  [ -x "$here/libexec/conda-stage/bin/conda-stage" ] ||
    fail "$here is no unpacked release: it has no libexec/conda-stage. Call install.sh by its path in the unpacked release"
  [ "$rc" = no ] || choose_rc
  each_link check_free
  if [ -e "$lib/current" ] && diff -r -- "$here" "$lib/current" > /dev/null 2>&1; then
    version=$("$lib/current/bin/conda-stage" --version)
    new=''
  else
    lay
  fi
  each_link place_link
  print_modulefiles
  [ -z "$new" ] || remove_older
  say "conda-stage $version is installed: $prefix/bin/conda-stage"
  if [ "$rc" = yes ]; then add_to_rc; else say "To load its shell function: eval \"\$($(quoted "$prefix/bin/conda-stage") --source)\"   (fish, tcsh: see its --help)"; fi
}

# Copies this folder, and makes it the newest. Sets $new and $version.
lay() {
  made=''
  [ -d "$prefix" ] || made=$prefix
  new='' number=0
  trap give_up EXIT
  trap 'exit 1' HUP INT TERM
  mkdir -p -- "$lib" 2> /dev/null || fail "$lib can't be made. Choose another place: --prefix=DIR"
  until mkdir -- "$lib/$number" 2> /dev/null; do
    [ -e "$lib/$number" ] || fail "$lib/$number can't be made. Choose another place: --prefix=DIR"
    number=$((number + 1))
  done
  new=$lib/$number
  # A full disk fails each of a hundred files.
  said=$(cp -RP -- "$here/." "$new" 2>&1) || fail "$(printf '%s\n' "$said" | sed q). $prefix is unchanged. It needs 150 MB: --prefix=DIR"
  version=$("$new/bin/conda-stage" --version) ||
    fail "This release does not run on this machine, or it was cut in the download. $prefix is unchanged."
  old=$(readlink -- "$lib/current") || old=''
  ln -s -- "$number" "$lib/.current.$number"
  mv -T -- "$lib/.current.$number" "$lib/current"
  trap - EXIT HUP INT TERM
}

# Leaves everything as it was, empty folders included.
give_up() {
  [ -z "$new" ] || rm -rf -- "$new" "$lib/.current.$number"
  rmdir -- "$lib" "$prefix/libexec" 2> /dev/null || : # others use it
  [ -z "$made" ] || rmdir -- "$made" 2> /dev/null || :
}

# They hold the path of the program.
print_modulefiles() {
  folder=$prefix/share/modulefiles/conda-stage
  mkdir -p -- "$folder"
  "$prefix/bin/conda-stage" --modulefile=tcl > "$folder/.new"
  mv -- "$folder/.new" "$folder/$version"
  "$prefix/bin/conda-stage" --modulefile=lmod > "$folder/.new"
  mv -- "$folder/.new" "$folder/$version.lua"
  for file in "$folder"/*; do
    case $file in
      "$folder/$version" | "$folder/$version.lua") ;;
      *) remove_modulefile "$file" ;;
    esac
  done
}

remove_modulefile() {
  ! grep -q 'Printed by: conda-stage --modulefile=' "$1" || rm -- "$1"
}

# All but the newest, and the one before it, which may be running.
remove_older() {
  for folder in "$lib"/[0-9]*; do
    case ${folder##*/} in
      "$number" | "$old") ;;
      *) rm -rf -- "$folder" ;;
    esac
  done
}

# As one word for a shell.
quoted() {
  printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"
}

# Sets $rc_file, $rc_line, and $rc_now for this session. A program that is gone later is passed over.
choose_rc() {
  program=$(quoted "$prefix/bin/conda-stage")
  rc_now="eval \"\$($program --source)\""
  rc_line="[ ! -x $program ] || $rc_now"
  case ${SHELL-} in
    */bash) rc_file=$HOME/.bashrc ;;
    */zsh) rc_file=${ZDOTDIR:-$HOME}/.zshrc ;;
    */fish)
      rc_file=${XDG_CONFIG_HOME:-$HOME/.config}/fish/config.fish
      rc_now="$program --source | source"
      rc_line="test -x $program; and $rc_now"
      ;;
    *) fail "--rc is for bash, zsh and fish, and your shell is ${SHELL:-not known}. docs/shells.md has the line for others" ;;
  esac
}

add_to_rc() {
  if grep -qxF -e "$rc_line" -- "$rc_file" 2> /dev/null; then
    say "$rc_file loads the shell function already"
  elif append_line 2> /dev/null; then
    say "$rc_file loads the shell function in new sessions"
  else
    fail "$rc_file can't be written. Add this line to it yourself: $rc_line"
  fi
  say "To load it in this one: $rc_now"
}

append_line() {
  mkdir -p -- "${rc_file%/*}" || return
  # The last line may lack its end.
  [ ! -s "$rc_file" ] || [ -z "$(tail -c 1 -- "$rc_file" | tr '\n' x | sed 's/^x$//')" ] || say '' >> "$rc_file" || return
  say "$rc_line" >> "$rc_file"
}

# The line does nothing any more, and the file is the user's.
name_lines() {
  [ -n "${HOME-}" ] || return 0
  for file in "$HOME/.bashrc" "${ZDOTDIR:-$HOME}/.zshrc" "${XDG_CONFIG_HOME:-$HOME/.config}/fish/config.fish"; do
    ! grep -qF -e "$(quoted "$prefix/bin/conda-stage") --source" -- "$file" 2> /dev/null ||
      say "$file still has the line that loaded it, which does nothing now. You can remove it."
  done
}

uninstall() {
  [ -L "$lib/current" ] || fail "$prefix has no conda-stage of this installer. Name the folder that you installed to: --prefix=DIR"
  each_link remove_link
  for file in "$prefix/share/modulefiles/conda-stage"/*; do
    [ ! -e "$file" ] || remove_modulefile "$file"
  done
  rm -rf -- "$lib"
  for folder in share/modulefiles/conda-stage share/modulefiles share/man/man1 share/man share/bash-completion/completions \
    share/bash-completion share/zsh/site-functions share/zsh share/fish/vendor_completions.d share/fish share libexec bin; do
    rmdir -- "$prefix/$folder" 2> /dev/null || : # others may use it
  done
  say "conda-stage is no longer installed in $prefix"
  name_lines
}

main() {
  read_arguments "$@"
  here=$(cd -P -- "$(dirname -- "$0")" && pwd && echo x)
  here=${here%?x}
  "$action"
}

main "$@"
exit
