# fish completion of synod.
function __synod_complete
    set -l helper /usr/share/synod/complete
    set -q SYNOD_COMPLETE; and set helper $SYNOD_COMPLETE
    set -l words (commandline -opc)
    $helper $words[2..-1] (commandline -ct)
end
complete -c synod -f -a '(__synod_complete)'
