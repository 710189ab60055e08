//! `cxr models`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The models: what they are, other people's, and their cards
///
/// Imported and pulled models are kept in $XDG_DATA_HOME/cxr/models (or ~/.local/share/cxr/models),
/// readable by their owner only. `--model NAME` uses one, with every command.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct ModelsArguments {
    #[command(subcommand)]
    pub action: ModelsAction,
}

#[derive(Debug, Subcommand)]
pub enum ModelsAction {
    /// One line for each model
    List,
    /// The card of a model: what it reads, how it was made, how well it did
    Show {
        /// Name of a model [default: the one that is used]
        name: Option<String>,
    },
    Import(Import),
    /// Fetch a published model and import it: the only thing in cxr that uses the network
    ///
    /// What was fetched before an interruption is kept, and the rest is fetched the next time. A file
    /// with another SHA-256 than cxr knows for it is not imported.
    Pull {
        /// Name of a published model, as torchxrayvision calls it: densenet121-res224-all
        name: String,
    },
    /// Remove a model from the store
    Remove {
        /// Its name
        name: String,
    },
    /// Read every model in the store again, and compare it with its SHA-256
    ///
    /// Exit status: 0 if all are whole, 1 if one is not.
    Verify {
        /// Only this one
        name: Option<String>,
    },
}

/// Import somebody else's model into the store
///
/// FILE is a Keras Sequential model (.h5, .keras), or a model of cxr's: a .safetensors file with its
/// card beside it. PyTorch's files (.pt, .pth, .pth.tar) and other safetensors need --as. Nothing in a
/// file is ever run. A model is imported whole or not at all.
#[derive(Debug, Args)]
pub struct Import {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The kind of network that it is
    #[arg(long = "as", value_enum, value_name = "FAMILY")]
    pub family: Option<FamilyArgument>,

    /// What to call it [default: the name of the file]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Labels of its outputs, in order: a,b,c or a file with one on each line
    #[arg(long, value_name = "FILE|a,b,c")]
    pub labels: Option<String>,

    /// Replace a model of the same name or with the same weights
    #[arg(long)]
    pub force: bool,
}

/// A kind of network that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FamilyArgument {
    /// torchxrayvision's DenseNet-121: one channel, 224 × 224 pixels
    XrvDensenet121,
    /// torchxrayvision's ResNet-50: one channel, 512 × 512 pixels
    #[value(name = "xrv-resnet50-512")]
    XrvResnet50,
    /// arnoweng/CheXNet's DenseNet-121: three channels, 224 × 224 pixels, 14 labels
    Chexnet,
    /// Convolutions, max pooling, Flatten and Dense, on 224 × 224 pixels in colour
    KerasSequential,
}
