# Finds a server program on its host and becomes its proxy. Its arguments: `first`, or for who has met a server
# `again`, or `named` if its user has said where it is; the program's name or path, `check` or `trust`, this
# client's version, the oldest and the newest protocol that it speaks; then the proxy's words.
ra_mode=$1 ra_name=$2 ra_check=$3 ra_version=$4 ra_min=$5 ra_max=$6
shift 6
ra_home=${HOME:-$(eval "echo ~$(id -un)")}
ra_why=
# What JSON wants before some letters; not where it is used, since a Korn shell miscounts the quotes there.
ra_json='s/[\\"]/\\&/g'
# Says why there is none, as a proxy would.
ra_none() {
    ra_why=$(printf %.500s "$1" | tr "\t\r\n" "   " | sed "$ra_json")
    printf '{"reattach-proxy":{"event":"exit","code":93,"message":"%s"}}\n' "$ra_why" >&2
    exit 93
}
# The first that was of no use is the reason for there being none.
ra_unfit() {
    [ -n "$ra_why" ] || ra_why=$1
    return 1
}
# Whether that one speaks what this client speaks.
ra_fits() {
    ra_said=$("$1" version --json 2>&1 </dev/null)
    ra_rest=${ra_said#*'"protocol":['}
    ra_oldest=${ra_rest%%,*}
    ra_rest=${ra_rest#*,}
    ra_newest=${ra_rest%%]*}
    case $ra_oldest:$ra_newest in
    *[!0-9:]* | :* | *:)
        ra_unfit "$1 cannot be used there: ${ra_said:-it says nothing}"
        return
        ;;
    esac
    ra_rest=${ra_said#*'"version":"'}
    ra_rest="$1 there is version ${ra_rest%%\"*} and speaks protocol $ra_oldest to $ra_newest, this client is version $ra_version and speaks $ra_min to $ra_max"
    if [ "$ra_oldest" -gt "$ra_max" ]; then
        ra_unfit "$ra_rest: renew this client"
    elif [ "$ra_newest" -lt "$ra_min" ]; then
        ra_unfit "$ra_rest: renew the server there"
    fi
}
ra_try() {
    REATTACH_FOUND=$1
    shift
    [ -f "$REATTACH_FOUND" ] && [ -x "$REATTACH_FOUND" ] || return 0
    [ "$ra_check" = trust ] || ra_fits "$REATTACH_FOUND" || return 0
    export REATTACH_FOUND
    exec "$REATTACH_FOUND" "$@"
}
case $ra_name in
'~/'*) ra_name=$ra_home/${ra_name#??} ;;
esac
case $ra_mode:$ra_name in
first:*/*)
    # Who says which one wants no other.
    [ -e "$ra_name" ] || ra_none "$ra_name was not found there"
    exec "$ra_name" "$@"
    ;;
named:*/*)
    [ -f "$ra_name" ] && [ -x "$ra_name" ] && exec "$ra_name" "$@"
    ra_name=${ra_name##*/}
    ;;
again:*/*)
    ra_try "$ra_name" "$@"
    ra_name=${ra_name##*/}
    ;;
esac
ra_try "$ra_home/.local/share/reattach/$ra_version/$ra_name" "$@"
ra_try "$(command -v "$ra_name")" "$@"
ra_try "$ra_home/.local/bin/$ra_name" "$@"
ra_try "$ra_home/.cargo/bin/$ra_name" "$@"
# Another version that fits is better than none.
for ra_other in "$ra_home"/.local/share/reattach/*/"$ra_name"; do
    ra_try "$ra_other" "$@"
done
ra_none "${ra_why:-"$ra_name was not found there, neither in ~/.local/share/reattach nor in the PATH, ~/.local/bin or ~/.cargo/bin"}"
