#!/usr/bin/env bash
# NVIDIA's compiler and libraries in a folder, from PyPI, for `cargo build --features cuda` on a machine
# without a CUDA toolkit, a driver or a graphics processor: it takes Python 3 and a C compiler.
#
#   eval "$(tools/cuda_toolkit.sh FOLDER [VERSION])" && cargo build --release --features cuda
#
# VERSION is 13.0, or another 13.x. The driver compiles candle's kernels when cxr starts, so it must know
# that version: the one that `nvidia-smi` names, or an older one.
set -euo pipefail

folder=${1:?usage: cuda_toolkit.sh FOLDER [VERSION]}
version=${2:-13.0}

if [ ! -d "$folder" ]; then
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check \
        nvidia-{cuda-nvcc,cuda-crt,cuda-cccl,cuda-runtime,cuda-nvrtc,nvvm}"==$version.*" nvidia-{cublas,curand} >&2
fi
home=$(realpath "$folder"/lib/python3*/site-packages/nvidia/cu"${version%%.*}")

# Wheels have libNAME.so.13, and a linker looks for libNAME.so.
for library in "$home"/lib/lib*.so.*; do
    ln -sf "$(basename "$library")" "${library%%.so.*}.so"
done

# The driver's library comes with the driver. In its place at link time: every function that the header
# declares, each of which answers CUDA_ERROR_STUB_LIBRARY, as the one of NVIDIA's own toolkit does.
mkdir -p "$home/lib/stubs"
cc -E -P "$home/include/cuda.h" | grep -o '\bcu[A-Z][A-Za-z0-9_]*(' | sort -u |
    sed 's/.*/int &void) { return 34; }/' |
    cc -shared -fPIC -x c -Wl,-soname,libcuda.so.1 -o "$home/lib/stubs/libcuda.so" -

cat <<END
export CUDA_HOME='$home'
export PATH="\$CUDA_HOME/bin:\$PATH"
END
