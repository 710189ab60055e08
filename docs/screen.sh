#!/usr/bin/env bash
# Captures docs/screen.png (pixels) and docs/screen-blocks.png (blocks) from a real kitty under Xvfb:
#
#   docs/screen.sh [BINARY]     BINARY is target/release/cxr by default
#
# Needs Xvfb, kitty and ImageMagick.
set -euo pipefail
cd "$(dirname "$0")/.."
cxr=$(realpath "${1:-target/release/cxr}")
work=$(mktemp -d)
export DISPLAY=:97 LIBGL_ALWAYS_SOFTWARE=1 CXR_CONFIG=
Xvfb "$DISPLAY" -screen 0 1320x860x24 >/dev/null 2>&1 &
display=$!
trap 'kill "$display"; rm -rf "$work"' EXIT
sleep 2

# The eighth sample with its heat map, when all have been scored.
capture() {
    local file=$1 socket="unix:$work/kitty-$2"
    # A session goes on where the last one ended.
    export XDG_STATE_HOME="$work/state-$2"
    kitty --config NONE -o allow_remote_control=yes -o font_size=11 -o remember_window_size=no \
        -o initial_window_width=1320 -o initial_window_height=860 -o hide_window_decorations=yes \
        --listen-on "$socket" "$cxr" samples --graphics "$2" &
    local terminal=$!
    sleep 14
    for keys in jjjj jjj o; do
        kitty @ --to "$socket" send-text "$keys"
        sleep 2
    done
    sleep 3
    import -window root "$work/window.png"
    convert "$work/window.png" -colors 160 "PNG8:docs/$file"
    kill "$terminal"
    sleep 1
}

capture screen.png auto
capture screen-blocks.png blocks
