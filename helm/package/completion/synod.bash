# bash completion of synod.
_synod() {
  COMP_WORDBREAKS=${COMP_WORDBREAKS//:/}
  mapfile -t COMPREPLY < <(
    "${SYNOD_COMPLETE:-/usr/share/synod/complete}" "${COMP_WORDS[@]:1:COMP_CWORD}")
  # A path may go on.
  [[ ${COMPREPLY[0]-} != /* ]] || compopt -o nospace
}
complete -o default -F _synod synod
