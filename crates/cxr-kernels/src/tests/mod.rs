mod depthwise;
mod networks;
mod passes;
mod reference;
mod rows;
mod scaling;
mod tiles;
pub(crate) mod token_reference;
mod tokens;
