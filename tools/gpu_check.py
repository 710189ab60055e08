"""What `gpu_check.sh` needs of Python: random networks, PyTorch's speed, and a card whose memory is full.

    gpu_check.py weights FOLDER NAME…      # torchvision's networks with seeded random weights, FOLDER/NAME.pth
    gpu_check.py speed SECONDS             # lines: network, precision, batch, images a second or "-", note
    gpu_check.py fill READY GO SECONDS     # fills the card once the file GO is there

`weights` and `speed` need torch. `fill` needs the driver only.
"""

import ctypes
import pathlib
import sys
import time

SIDE = 224
LABELS = 18
SEED = 20_261_129
BATCHES = (1, 8, 32)
MIB = 1 << 20


def weights(folder, *names):
    import torch
    import torchvision

    for name in names:
        torch.manual_seed(SEED)
        network = getattr(torchvision.models, name)(num_classes=LABELS).eval()
        settle(torch, network)
        torch.save(network.state_dict(), pathlib.Path(folder) / f"{name}.pth")
        print(name, flush=True)


def settle(torch, network):
    """Statistics with which the values neither vanish nor grow from layer to layer: float16 ends at 65,504."""
    norms = [part for part in network.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        norm.train()
    if norms:
        with torch.no_grad():
            network(torch.randn(4, 3, SIDE, SIDE))
        network.eval()


def speed(seconds):
    """Tensors that are on the card already: no file is opened."""
    try:
        import torch
    except ImportError:
        return say("-", "-", "-", "-", "torch is not installed")
    if not torch.cuda.is_available():
        return say("-", "-", "-", "-", f"torch {torch.__version__} finds no card")
    # candle's products are f32 throughout, and PyTorch's are TF32 by default in convolutions.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    until = time.monotonic() + float(seconds)
    for name, channels, make in (("cxr-lite0", 1, lite0), ("resnet50", 3, resnet50)):
        try:
            network = make().eval().cuda()
        except ImportError as error:
            say(name, "-", "-", "-", f"not measured: {error}")
            continue
        for precision, dtype in (("f32", torch.float32), ("f16", torch.float16)):
            network = network.to(dtype)
            for batch in BATCHES:
                if time.monotonic() > until:
                    say(name, precision, batch, "-", "no time left")
                    continue
                values = torch.randn(batch, channels, SIDE, SIDE, dtype=dtype, device="cuda")
                torch.cuda.reset_peak_memory_stats()
                figure = rate(torch, network, values)
                peak = torch.cuda.max_memory_allocated() / MIB
                say(name, precision, batch, f"{figure:.0f}", f"torch {torch.__version__}; its tensors {peak:.0f} MiB at most")


def lite0():
    """The bundled network's architecture, from whichever package has it."""
    try:
        import timm
    except ImportError:
        from efficientnet_lite_pytorch import EfficientNet

        return EfficientNet.from_name("efficientnet-lite0", in_channels=1, num_classes=LABELS)
    return timm.create_model("tf_efficientnet_lite0", in_chans=1, num_classes=LABELS)


def resnet50():
    import torchvision

    return torchvision.models.resnet50(num_classes=LABELS)


def rate(torch, network, values, warm=5, least=0.5):
    """Images a second: the card works through a queue of passes, and is waited for at the end."""
    with torch.inference_mode():
        for _ in range(warm):
            network(values)
        torch.cuda.synchronize()
        start, passes = time.perf_counter(), 0
        while time.perf_counter() - start < least:
            network(values)
            passes += 1
            # The queue must not grow while the clock is read.
            if passes % 10 == 0:
                torch.cuda.synchronize()
        torch.cuda.synchronize()
        return passes * len(values) / (time.perf_counter() - start)


def say(*cells):
    print(*cells, sep="\t", flush=True)


def fill(ready, go, seconds):
    """Takes all memory that the card has left, again and again, and gives it back at the end.

    It only allocates, as any other program on the card may. The settings of the card stay as they are.
    """
    cuda = ctypes.CDLL("libcuda.so.1")

    def call(name, *arguments):
        status = getattr(cuda, name)(*arguments)
        if status != 0:
            sys.exit(f"{name}: error {status}")

    device, context = ctypes.c_int(), ctypes.c_void_p()
    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(device), 0)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    call("cuCtxSetCurrent", context)
    pathlib.Path(ready).touch()
    patience = time.monotonic() + 30
    while not pathlib.Path(go).exists():
        if time.monotonic() > patience:
            sys.exit("nobody asked")
        time.sleep(0.005)
    until, taken = time.monotonic() + float(seconds), 0
    while time.monotonic() < until:
        # Large pieces first, then what fits between them.
        for size in (1024 * MIB, 64 * MIB, 8 * MIB, MIB):
            piece = ctypes.c_uint64()
            while cuda.cuMemAlloc_v2(ctypes.byref(piece), ctypes.c_size_t(size)) == 0:
                taken += size
        time.sleep(0.01)
    # The memory goes back with the process.
    print(taken // MIB)


if __name__ == "__main__":
    {"weights": weights, "speed": speed, "fill": fill}[sys.argv[1]](*sys.argv[2:])
