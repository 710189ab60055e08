//! The name of the processor.

use std::fs::File;
use std::io::Read;

/// The description of the first of many cores fits in these bytes.
const FIRST_CORE: u64 = 8 << 10;

/// The name as the system has it, or else the architecture.
pub fn name() -> String {
    let mut text = Vec::new();
    if let Ok(file) = File::open("/proc/cpuinfo") {
        // What was read before an error may hold the name.
        let _ = file.take(FIRST_CORE).read_to_end(&mut text);
    }
    let name = model_name(&String::from_utf8_lossy(&text));
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The first `model name` of Linux's list of cores.
fn model_name(list: &str) -> Option<String> {
    let mut fields = list.lines().filter_map(|line| line.split_once(':'));
    let (_, name) = fields.find(|(field, _)| field.trim() == "model name")?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_first_core() {
        let list = "processor\t: 0\nmodel name\t: Some Xeon: 2.0GHz\nflags\t: a b\n\nprocessor\t: 1\n\
                    model name\t: other\n";
        assert_eq!(model_name(list).unwrap(), "Some Xeon: 2.0GHz");
        assert_eq!(model_name("CPU part\t: 0xd0c\nmodel name\t: \n"), None);
        assert!(!name().is_empty());
    }
}
