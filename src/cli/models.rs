//! `cxr models`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// List, import, fetch, check and remove models, and show their cards
///
/// Imported and pulled models are in $XDG_DATA_HOME/cxr/models (or ~/.local/share/cxr/models), readable
/// by their owner only. `--model NAME` uses one, with every command.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct ModelsArguments {
    /// What to do with them.
    #[command(subcommand)]
    pub action: ModelsAction,
}

#[derive(Debug, Subcommand)]
pub enum ModelsAction {
    /// Print one line for each model
    List,
    /// Show the card of a model: its input and labels, how it was made, how well it did
    Show {
        /// Name of a model [default: the model in use]
        name: Option<String>,
    },
    Import(Import),
    /// Fetch a published model and import it; no other command uses the network
    ///
    /// A download that was interrupted continues the next time. A file is imported only if it has the
    /// SHA-256 that cxr knows for it.
    Pull {
        /// Name of a published model in torchxrayvision, such as densenet121-res224-all
        name: String,
    },
    /// Remove an imported model
    Remove {
        /// Its name
        name: String,
    },
    /// Read every imported model again, and compare it with its SHA-256
    ///
    /// Exit status: 0 if all models are whole, 1 if one is not.
    Verify {
        /// Only the model with this name
        name: Option<String>,
    },
}

/// Import a model from a file
///
/// FILE is a Keras Sequential model (.h5, .keras), or a model of cxr itself: a .safetensors file with its
/// card beside it. PyTorch files (.pt, .pth, .pth.tar) and other safetensors files need --as. No code in a
/// file is ever run. A model is imported whole or not at all.
#[derive(Debug, Args)]
pub struct Import {
    /// The file of the model
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The kind of network
    #[arg(long = "as", value_enum, value_name = "FAMILY")]
    pub family: Option<FamilyArgument>,

    /// The name of the new model [default: the name of the file]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Labels of the outputs, in order: a,b,c or a file with one label on each line
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
