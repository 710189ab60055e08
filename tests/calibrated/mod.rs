//! The bundled model with a card that calls its numbers probabilities, as `cxr adapt` makes of it.

use std::fs;
use std::path::Path;

/// Its weights file.
pub const CALIBRATED: &str = "calibrated.safetensors";

/// Writes it into a folder.
pub fn write_calibrated(folder: &Path) {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights");
    let card = fs::read_to_string(weights.join("cxr-lite0.toml")).unwrap();
    let mut probable = card.clone();
    for (score, probability) in [
        ("calibrated = false\n", "calibrated = true\n"),
        ("probability = false\n", ""),
    ] {
        assert!(probable.contains(score), "{score}");
        probable = probable.replace(score, probability);
    }
    fs::write(folder.join(CALIBRATED).with_extension("toml"), probable).unwrap();
    fs::copy(
        weights.join("cxr-lite0.safetensors"),
        folder.join(CALIBRATED),
    )
    .unwrap();
}
