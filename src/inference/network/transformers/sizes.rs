//! Settings that several networks have, and the largest numbers that make sense.

use crate::domain::{NetworkSettings, SettingError, SettingValue};
use crate::inference::network::token_layers::TokenActivation;

/// Numbers of a token. ViT-22B has 6,144.
pub const MOST_WIDTH: usize = 1 << 13;
/// Numbers between the two linear layers of an MLP.
pub const MOST_INSIDE: usize = 1 << 16;
/// Layers of a network, or blocks of a stage.
pub const MOST_LAYERS: usize = 128;
/// Stages of a network.
pub const MOST_STAGES: usize = 8;
/// Pixels of a side.
pub const MOST_SIDE: usize = 1 << 12;
/// Rows of tokens. Attention over all of them has the fourth power of this many scores.
pub const MOST_CELLS: usize = 1 << 6;
/// Pixels of the side of a square that becomes a token.
pub const MOST_PATCH: usize = 1 << 7;
/// Numbers of the shares that all tokens give to each other in all layers, for an attention rollout. They take 256 MiB.
pub const MOST_SHARES: usize = 1 << 26;

/// A setting that contradicts another one.
pub fn unusable(key: &str, reason: &'static str) -> SettingError {
    SettingError::Unusable {
        key: key.to_owned(),
        reason,
    }
}

/// A side: a number, or height and width, which are the same.
pub fn square(
    settings: &NetworkSettings,
    key: &str,
    default: usize,
    most: usize,
) -> Result<usize, SettingError> {
    if !matches!(settings.get(key), Some(SettingValue::List(_))) {
        return settings.size_or(key, default, most);
    }
    let sides = settings.sizes(key, 2, most)?;
    if sides[0] == sides[1] {
        Ok(sides[0])
    } else {
        Err(unusable(key, "is no square"))
    }
}

/// One number for each stage, or these.
pub fn stages(
    settings: &NetworkSettings,
    key: &str,
    default: &[usize],
    most: usize,
) -> Result<Vec<usize>, SettingError> {
    let count = match settings.get(key) {
        None => return Ok(default.to_vec()),
        Some(SettingValue::List(values)) => values.len(),
        // Another kind is an error that says so.
        Some(_) => 1,
    };
    let sizes = settings.sizes(key, count, most)?;
    if (1..=MOST_STAGES).contains(&sizes.len()) {
        Ok(sizes)
    } else {
        Err(unusable(key, "has more or fewer stages than any network"))
    }
}

/// Heads of attention, which divide the numbers of a token.
pub fn heads(settings: &NetworkSettings, width: usize) -> Result<usize, SettingError> {
    const KEY: &str = "num_attention_heads";
    let heads = settings.size_or(KEY, 12, MOST_WIDTH)?;
    if width.is_multiple_of(heads) {
        Ok(heads)
    } else {
        Err(unusable(KEY, "does not divide hidden_size"))
    }
}

/// `layer_norm_eps`
pub fn epsilon(settings: &NetworkSettings, default: f64) -> Result<f64, SettingError> {
    settings.number_or("layer_norm_eps", default, 1e-15, 1.0)
}

/// `hidden_size · mlp_ratio`, rounded down as in Python.
pub fn inside(
    settings: &NetworkSettings,
    width: usize,
    default: f64,
) -> Result<usize, SettingError> {
    const KEY: &str = "mlp_ratio";
    let ratio = settings.number_or(KEY, default, 1e-3, 64.0)?;
    match (width as f64 * ratio) as usize {
        0 => Err(unusable(KEY, "leaves no numbers between the layers")),
        inside => Ok(inside),
    }
}

/// `hidden_act`, by its name in transformers.
pub fn activation(settings: &NetworkSettings) -> Result<TokenActivation, SettingError> {
    const KNOWN: [(&str, TokenActivation); 10] = [
        ("gelu", TokenActivation::Gelu),
        ("gelu_python", TokenActivation::Gelu),
        ("gelu_new", TokenActivation::GeluTanh),
        ("gelu_fast", TokenActivation::GeluTanh),
        ("gelu_accurate", TokenActivation::GeluTanh),
        ("gelu_pytorch_tanh", TokenActivation::GeluTanh),
        ("quick_gelu", TokenActivation::QuickGelu),
        ("relu", TokenActivation::Relu),
        ("silu", TokenActivation::Silu),
        ("swish", TokenActivation::Silu),
    ];
    let names = KNOWN.map(|(name, _)| name);
    let name = settings.choice_or("hidden_act", "gelu", &names)?;
    let found = KNOWN.iter().find(|(known, _)| *known == name);
    Ok(found.map_or(TokenActivation::Gelu, |(_, activation)| *activation))
}
