//! What a pickle may name. Nothing that it names is run here; but a file that would run something
//! in Python is not one to trust, so it is refused by name.

use crate::checkpoint::CheckpointFault;

/// Functions and classes that models call with arguments: module, and name (empty for any).
const CALLED: [(&str, &str); 24] = [
    ("_codecs", "encode"),
    ("argparse", "Namespace"),
    ("builtins", "bytearray"),
    ("builtins", "complex"),
    ("builtins", "frozenset"),
    ("builtins", "list"),
    ("builtins", "object"),
    ("builtins", "set"),
    ("builtins", "slice"),
    ("__builtin__", "object"),
    ("__builtin__", "set"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("copy_reg", "_reconstructor"),
    ("copyreg", "_reconstructor"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("pathlib", ""),
    ("torch", "Size"),
    ("torch", "device"),
    ("torch._utils", ""),
];

/// Modules that reach beyond the model. A class of any other module may be named, since models are
/// of classes that their authors wrote.
const REACHING: [&str; 44] = [
    "_io",
    "_posixsubprocess",
    "_socket",
    "_thread",
    "asyncio",
    "bdb",
    "builtins",
    "cProfile",
    "code",
    "codeop",
    "commands",
    "concurrent",
    "ctypes",
    "distutils",
    "ftplib",
    "functools",
    "http",
    "importlib",
    "io",
    "marshal",
    "mmap",
    "multiprocessing",
    "nt",
    "operator",
    "os",
    "pdb",
    "pickle",
    "pip",
    "pkgutil",
    "platform",
    "posix",
    "profile",
    "pty",
    "requests",
    "runpy",
    "shutil",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "sys",
    "threading",
    "urllib",
    "webbrowser",
];
/// Their kin of Python 2, and what runs code under a name of its own.
const REACHING_TOO: [&str; 6] = [
    "__builtin__",
    "timeit",
    "tempfile",
    "trace",
    "types",
    "zipimport",
];

/// Parts of PyTorch that load or compile rather than hold.
const REACHING_TORCH: [&str; 6] = [
    "torch.hub",
    "torch.jit",
    "torch.serialization",
    "torch.storage",
    "torch.utils.cpp_extension",
    "torch.package",
];

/// # Errors
/// [`Fault::Runs`], if no model needs to name it.
pub fn check_named(module: &str, name: &str) -> Result<(), CheckpointFault> {
    let top = module.split('.').next().unwrap_or_default();
    let is_plain =
        is_called(module, name) || (top == "builtins" || top == "__builtin__") && is_type(name);
    let reaches = REACHING.contains(&top) || REACHING_TOO.contains(&top);
    // `getattr` of a module in disguise: a name with a dot walks into what it names.
    let reaches = reaches || REACHING_TORCH.contains(&module) || is_walk(module, name);
    match reaches && !is_plain {
        true => Err(CheckpointFault::Runs(format!("{module}.{name}"))),
        false => Ok(()),
    }
}

/// # Errors
/// [`Fault::Runs`], if it is called and no model needs to call it.
pub fn check_called(module: &str, name: &str) -> Result<(), CheckpointFault> {
    match is_called(module, name) {
        true => Ok(()),
        false => Err(CheckpointFault::Runs(format!("{module}.{name}"))),
    }
}

fn is_called(module: &str, name: &str) -> bool {
    CALLED
        .iter()
        .any(|(m, n)| *m == module && (n.is_empty() || *n == name))
}

/// Types that are attributes of a module now and then; naming them runs nothing.
fn is_type(name: &str) -> bool {
    matches!(
        name,
        "bool" | "bytes" | "dict" | "float" | "int" | "long" | "str" | "tuple" | "unicode"
    )
}

/// Nested classes are the only reason for a dot in a name.
fn is_walk(module: &str, name: &str) -> bool {
    name.contains("__") && name.contains('.') || module.is_empty()
}
