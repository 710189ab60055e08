//! The functions and classes that a pickle may name. None of them is run here, but a file that would run other code in
//! Python cannot be trusted, so that it is refused with the name of that code.

use crate::checkpoint::CheckpointFault;

/// Functions and classes that models call with arguments: module and name. An empty name stands for any.
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

/// Modules with functions that a model does not need. A class of any other module may be named, because models have
/// classes that their authors wrote.
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
/// The same of Python 2, and modules that run code.
const REACHING_TOO: [&str; 6] = [
    "__builtin__",
    "timeit",
    "tempfile",
    "trace",
    "types",
    "zipimport",
];

/// Modules of PyTorch that load or compile code.
const REACHING_TORCH: [&str; 6] = [
    "torch.hub",
    "torch.jit",
    "torch.serialization",
    "torch.storage",
    "torch.utils.cpp_extension",
    "torch.package",
];

/// Checks a function or class that a pickle names.
///
/// # Errors
/// [`CheckpointFault::Runs`], if no model needs it.
pub fn check_named(module: &str, name: &str) -> Result<(), CheckpointFault> {
    let top = module.split('.').next().unwrap_or_default();
    let is_plain =
        is_called(module, name) || (top == "builtins" || top == "__builtin__") && is_type(name);
    let reaches = REACHING.contains(&top) || REACHING_TOO.contains(&top);
    // A name with a dot is looked up attribute by attribute, which is `getattr` on a module.
    let reaches = reaches || REACHING_TORCH.contains(&module) || is_walk(module, name);
    if reaches && !is_plain {
        Err(CheckpointFault::Runs(format!("{module}.{name}")))
    } else {
        Ok(())
    }
}

/// Checks a function or class that a pickle calls.
///
/// # Errors
/// [`CheckpointFault::Runs`], if no model calls it.
pub fn check_called(module: &str, name: &str) -> Result<(), CheckpointFault> {
    if is_called(module, name) {
        Ok(())
    } else {
        Err(CheckpointFault::Runs(format!("{module}.{name}")))
    }
}

fn is_called(module: &str, name: &str) -> bool {
    CALLED
        .iter()
        .any(|(m, n)| *m == module && (n.is_empty() || *n == name))
}

/// Types that are sometimes attributes of a module. Naming them runs nothing.
fn is_type(name: &str) -> bool {
    matches!(
        name,
        "bool" | "bytes" | "dict" | "float" | "int" | "long" | "str" | "tuple" | "unicode"
    )
}

/// Whether a name reaches into an object by its attributes. Otherwise only nested classes have a dot in their name.
fn is_walk(module: &str, name: &str) -> bool {
    name.contains("__") && name.contains('.') || module.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_models_may_be_named_and_functions_that_reach_out_may_not() {
        for (module, name) in [
            ("torchxrayvision.models", "DenseNet"),
            ("__main__", "Net"),
            ("collections", "OrderedDict"),
            ("builtins", "dict"),
            ("builtins", "set"),
            ("torch.nn.modules.conv", "Conv2d"),
            ("models", "Outer.Inner"),
        ] {
            assert_eq!(check_named(module, name), Ok(()), "{module}.{name}");
        }
        for (module, name) in [
            ("os", "system"),
            ("os.path", "join"),
            ("builtins", "eval"),
            ("__builtin__", "getattr"),
            ("torch.hub", "load"),
            ("models", "Net.__init__.__globals__"),
            ("", "eval"),
        ] {
            let fault = check_named(module, name).unwrap_err();
            assert_eq!(fault, CheckpointFault::Runs(format!("{module}.{name}")));
        }
    }

    #[test]
    fn only_known_functions_may_be_called() {
        assert_eq!(check_called("torch._utils", "_rebuild_tensor_v2"), Ok(()));
        assert_eq!(check_called("collections", "OrderedDict"), Ok(()));
        // A class of a model may be named, but PyTorch does not call it.
        assert!(check_called("models", "Net").is_err());
        assert!(check_called("builtins", "dict").is_err());
    }
}
