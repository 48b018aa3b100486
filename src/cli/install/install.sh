# Puts a server program into its place on a host. Its arguments: the version of what will come, and a word that
# no other install has. What is said for the client is a line each, beginning with `reattach-install:`.
LC_ALL=C
export LC_ALL
version=$1 token=$2
home=${HOME:-$(eval "echo ~$(id -un)")}
place=$home/.local/share/reattach/$version
server=$place/reattach-server
draft=$place/.$token.draft
tell() {
    printf 'reattach-install: %s\n' "$*" | tr '\t\r' '  '
}
# The draft goes before anybody is told, and may end us; what was there before stays.
fail() {
    rm -f "$draft"
    tell failed "$1" "$(printf %.300s "$2" | tr '\n' ' ')"
    exit 1
}
# The first of these that is there: the others are not asked.
for tool in sha256sum shasum openssl cksum wc; do
    command -v "$tool" >/dev/null 2>&1 && break
done
sum() {
    case $tool in
    sha256sum) said=$(sha256sum <"$1") ;;
    shasum) said=$(shasum -a 256 <"$1") ;;
    openssl) said=$(openssl dgst -sha256 <"$1") && said=${said##* } ;;
    cksum) said=$(cksum <"$1") ;;
    wc) said=$(wc -c <"$1") ;;
    esac
    # Some write spaces before a number.
    set -- $said
    echo "$1"
}
there=-
[ -f "$server" ] && [ -x "$server" ] && there=$(sum "$server")
tell host "$(uname -s)" "$(uname -m)" "$tool" "${there:--}"
read -r size wanted || exit 1
if [ "$wanted" != keep ]; then
    said=$(mkdir -p "$place" 2>&1) || fail place "$said"
    trap 'rm -f "$draft"' 0
    trap 'exit 1' 1 2 13 15
    # Those of installs that were killed long ago.
    find "$place" -name '.*.draft' -mtime +0 -exec rm -f {} + 2>/dev/null
    said=$({ cat >"$draft"; } 2>&1) || fail write "$said"
    is=$(wc -c <"$draft")
    [ "$is" -eq "$size" ] || fail short "$is of $size bytes"
    is=$(sum "$draft")
    [ "$is" = "$wanted" ] || fail sum "$tool says $is, and it should be $wanted"
    said=$(chmod 755 "$draft" 2>&1) || fail mode "$said"
    said=$("$draft" version --json 2>&1 </dev/null) || fail run "$? $said"
    case $said in
    *"\"version\":\"$version\""*) ;;
    *) fail version "$said" ;;
    esac
    sync "$draft" 2>/dev/null
    [ -d "$server" ] && fail move "$server is a directory"
    said=$(mv -f "$draft" "$server" 2>&1) || fail move "$said"
    trap - 0
fi
gone=$("$server" tidy 2>/dev/null </dev/null)
[ -n "$gone" ] && tell gone $gone
tell done "$server"
