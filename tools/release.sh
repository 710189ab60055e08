#!/usr/bin/env bash
# Everything that is given away, from a clean checkout of HEAD:
#
#     tools/release.sh OUT [TARGET]...
#     tools/release.sh --twice OUT [TARGET]...    # builds all of it again in another folder, and compares
#     tools/release.sh --pack PROGRAM OUT         # no build: PROGRAM, of this machine, with the files of this folder
#
# For each TARGET (x86_64-unknown-linux-gnu and aarch64-unknown-linux-gnu are known; the default is this machine's):
#     cxr-VERSION-TARGET.tar.gz       program, manual page, completions, licences
#     cxr-VERSION-…-manylinux….whl    the same program for pip and uv
#     cxr_VERSION_ARCHITECTURE.deb    the same program for Debian and Ubuntu
#     cxr-VERSION-TARGET.cdx.json     what it is made of (CycloneDX)
# and SHA256SUMS. The program asks for glibc 2.17 (2012) or newer.
#
# The same commit gives the same bytes with the same rustc, on another day and in another folder. Needs Python 3.11 with
# venv, git, a Rust toolchain with the targets, binutils and dpkg-deb; maturin and zig come from PyPI
# (tools/release-requirements.txt). Takes minutes for each target and build.
set -euo pipefail
shopt -s inherit_errexit

readonly GLIBC=2.17
# LLVM keeps memory in registers over a loop in an order that follows its own addresses, so two builds would differ in
# some hundred bytes of the resampling code (rustc 1.95). Without that pass they do not.
readonly SAME_ORDER="-C llvm-args=-disable-licm-promotion"
# Of gzip and xz. Lower, a test is done sooner.
readonly LEVEL=${CXR_RELEASE_LEVEL:-9}
root=$(cd "$(dirname "$0")/.." && pwd)

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
fail() { echo "release.sh: $*" >&2; exit 1; }
step() { echo "== $* ($((SECONDS / 60)) min)" >&2; }

architecture() { # of a target, as Debian names it
    case $1 in
    x86_64-unknown-linux-gnu) echo amd64 ;;
    aarch64-unknown-linux-gnu) echo arm64 ;;
    *) fail "the target $1 is not known" ;;
    esac
}

# A clone of HEAD: what is not committed is in no release.
check_out() { # folder
    git clone --quiet --no-local "$root" "$1"
    git -C "$1" checkout --quiet --detach "$commit"
}

# maturin and zig, in a folder of their own.
install_tools() { # folder
    python3 -m venv "$1"
    "$1/bin/pip" install --quiet --require-virtualenv --requirement "$root/tools/release-requirements.txt"
}

# The wheel; the program inside is the one of everything else.
build_wheel() { # source, folder to work in, target, out
    local source=$1 work=$2 target=$3 out=$4
    local cargo=${CARGO_HOME:-$HOME/.cargo} rust map remap='' c_remap=''
    rust=$(rustc --print sysroot)
    # The last that fits counts, and the source lies in the folder to work in.
    for map in "$cargo=/cargo" "$rust=/rust" "$work=/work" "$source=/cxr"; do
        remap+=" --remap-path-prefix=$map"
        c_remap+=" -ffile-prefix-map=$map"
    done
    (
        cd "$source"
        # Flags of the user's own would change the bytes.
        unset CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CXXFLAGS LDFLAGS
        # maturin takes only what lies within the source.
        python3 tools/sbom.py --target "$target" >cxr.cdx.json
        PATH=$tools/bin:$PATH CARGO_TARGET_DIR=$work/target CARGO_INCREMENTAL=0 \
            RUSTFLAGS="$SAME_ORDER$remap" CFLAGS=${c_remap# } CXR_COMMIT=$commit \
            maturin build --zig --target "$target" --compatibility manylinux2014 \
            --sbom-include cxr.cdx.json --out "$out" >&2
    )
}

# What belongs beside the program, made by the program itself.
make_documents() { # program, folder
    mkdir -p "$2/completions"
    "$1" man >"$2/cxr.1"
    local shell
    for shell in bash elvish fish powershell zsh; do
        "$1" completions "$shell" >"$2/completions/cxr.$shell"
    done
}

# Files of the same name, time and owner, whatever the folder says.
pack() { # parent, name, out
    tar --create --directory "$1" --sort=name --format=ustar --mtime="@$SOURCE_DATE_EPOCH" \
        --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w "$2" | gzip --no-name "-$LEVEL" >"$3"
}

pack_archive() { # source, program, documents, target, folder to work in, out
    local name=cxr-$version-$4
    local into=$5/archive/$name
    mkdir -p "$into"
    install -m 755 "$2" "$into/cxr"
    cp -r "$3/cxr.1" "$3/completions" "$1"/{README.md,CHANGELOG.md,LICENSE-MIT,LICENSE-APACHE,THIRD-PARTY.md,licences} "$into"
    cp -r "$1/examples" "$into"
    pack "$5/archive" "$name" "$6/$name.tar.gz"
}

pack_deb() { # source, program, documents, target, folder to work in, out
    local source=$1 documents=$3 into=$5/deb
    local doc=$into/usr/share/doc/cxr
    install -D -m 755 "$2" "$into/usr/bin/cxr"
    install -D -m 644 "$documents/completions/cxr.bash" "$into/usr/share/bash-completion/completions/cxr"
    install -D -m 644 "$documents/completions/cxr.zsh" "$into/usr/share/zsh/vendor-completions/_cxr"
    install -D -m 644 "$documents/completions/cxr.fish" "$into/usr/share/fish/vendor_completions.d/cxr.fish"
    install -D -m 644 "$documents/cxr.1" "$into/usr/share/man/man1/cxr.1"
    gzip --no-name --best "$into/usr/share/man/man1/cxr.1"
    install -D -m 644 "$source/CHANGELOG.md" "$doc/changelog"
    gzip --no-name --best "$doc/changelog"
    install -m 644 "$source"/{README.md,THIRD-PARTY.md} "$doc"
    mkdir -p "$doc/examples"
    cp -r "$source"/examples/. "$doc/examples"
    copyright "$source" >"$doc/copyright"
    mkdir -p "$into/DEBIAN"
    control "$2" "$4" "$(du -sk --apparent-size "$into" | cut -f1)" >"$into/DEBIAN/control"
    # The sums that `dpkg --verify` compares with.
    (cd "$into" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
    find "$into" -type d -exec chmod 755 {} +
    chmod 644 "$into"/DEBIAN/*
    find "$doc/examples" -type f -exec chmod u=rwX,go=rX {} +
    dpkg-deb --root-owner-group -Zxz "-z$LEVEL" --build "$into" "$6/cxr_${version}_$(architecture "$4").deb" >/dev/null
}

control() { # program, target, size in KiB
    local depends
    depends="libc6 (>= $(glibc_of "$1"))"
    if readelf --dynamic "$1" | grep -q 'libgcc_s\.so'; then depends+=", libgcc-s1"; fi
    cat <<CONTROL
Package: cxr
Version: $version
Architecture: $(architecture "$2")
Maintainer: The cxr contributors <contributors@cxr.invalid>
Installed-Size: $3
Depends: $depends
Section: science
Priority: optional
Description: second reader for chest radiographs that lives in the terminal
 Walks a folder of chest radiographs (DICOM, PNG, JPEG, WebP, TIFF) by keyboard,
 shows each inline, and beside it what a classifier finds, how sure it is, and
 whether it should be believed at all. Scores whole archives without a screen.
 .
 For research and teaching. Not a medical device, and not for diagnosis.
CONTROL
}

copyright() { # source
    cat <<'COPYRIGHT'
cxr is MIT OR Apache-2.0, at your choice. What it is made of, with licences and sources, is in THIRD-PARTY.md beside
this file. On Debian systems the Apache License 2.0, the GNU LGPL 3 and the GNU GPL 3 are in
/usr/share/common-licenses/Apache-2.0, /usr/share/common-licenses/LGPL-3 and /usr/share/common-licenses/GPL-3.

COPYRIGHT
    cat "$1/LICENSE-MIT"
}

# The newest glibc that a program asks for.
glibc_of() { # program
    readelf --wide --version-info "$1" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -V | tail -n 1
}

# It must not be newer than the one that is promised.
check_glibc() { # program
    local newest
    newest=$(glibc_of "$1")
    [ "$(printf '%s\n%s\n' "$newest" "$GLIBC" | sort -V | tail -n 1)" = "$GLIBC" ] ||
        fail "$1 asks for glibc $newest"
    echo "glibc $newest is enough for $1" >&2
}

# Everything but the wheel, of a program that is built.
pack_all() { # source, program, documents, target, folder to work in, out
    pack_archive "$@"
    pack_deb "$@"
    python3 "$1/tools/sbom.py" --target "$4" >"$6/cxr-$version-$4.cdx.json"
}

sums() { # out
    (cd "$1" && LC_ALL=C sha256sum -- * >"$work/SHA256SUMS" && mv "$work/SHA256SUMS" .)
}

release() { # folder to work in, out
    local work=$1 out=$2 target native=''
    check_out "$work/source"
    # The program of this machine first: it makes the manual page of all.
    for target in "${targets[@]}"; do
        [ "$target" != "$host" ] || native=1
    done
    [ -n "$native" ] || fail "the manual page is made by the program: $host must be among the targets"
    for target in "$host" "${targets[@]}"; do
        [ ! -e "$work/$target" ] || continue
        step "$target in $work"
        mkdir -p "$work/$target"
        build_wheel "$work/source" "$work" "$target" "$out"
        local program=$work/target/$target/dist/cxr
        check_glibc "$program"
        [ "$target" != "$host" ] || make_documents "$program" "$work/documents"
        pack_all "$work/source" "$program" "$work/documents" "$target" "$work/$target" "$out"
    done
    sums "$out"
}

twice='' program=''
case ${1-} in
--twice)
    twice=1
    shift
    ;;
--pack)
    [ $# = 3 ] || usage
    program=$(realpath "$2")
    shift 2
    ;;
esac
case ${1-} in '' | -*) usage ;; esac
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
[ -z "$(ls -A "$out")" ] || fail "$out is not empty"

host=$(rustc -vV | sed -n 's/^host: //p')
targets=("$@")
[ $# -gt 0 ] || targets=("$host")
for target in "${targets[@]}"; do architecture "$target" >/dev/null; done
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -n "$program" ]; then
    export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(stat --format=%Y "$program")}
    make_documents "$program" "$work/documents"
    pack_all "$root" "$program" "$work/documents" "$host" "$work" "$out"
    sums "$out"
    exit
fi

commit=$(git -C "$root" rev-parse HEAD)
version=$(git -C "$root" show "$commit:Cargo.toml" | sed -n 's/^version = "\(.*\)"/\1/p' | head -n 1)
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct "$commit")
export SOURCE_DATE_EPOCH
tools=$work/tools
install_tools "$tools"
mkdir "$work/first"
release "$work/first" "$out"
if [ -n "$twice" ]; then
    # A path of another length, too.
    second=$work/and-once-more-elsewhere
    mkdir -p "$second" "$work/out"
    rm -rf "$work/first/target"
    release "$second" "$work/out"
    diff "$out/SHA256SUMS" "$work/out/SHA256SUMS" >&2 || fail "two builds of $commit differ"
    echo "two builds of $commit are equal" >&2
fi
cat "$out/SHA256SUMS"
