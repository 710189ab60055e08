//! `cxr models`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

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
    Pull(Pull),
    Check(CheckModel),
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

/// Import a model from a file or a folder
///
/// PATH is a Keras Sequential model (.h5, .keras), or a model of cxr itself: a .safetensors file with its card
/// beside it. PyTorch files (.pt, .pth, .pth.tar) and other safetensors files need --as; the weights of a network
/// of torchvision or timm also need --labels and --preprocess. A folder is one of transformers or timm: config.json
/// says which network it is, preprocessor_config.json what is done to an image, and model.safetensors or
/// pytorch_model.bin holds the weights. An ONNX file (.onnx) needs --preprocess and --labels; a convolutional
/// network in it runs by cxr's kernels, and any other operator by operator. No code in a file is ever run. A model
/// is imported whole or not at all.
#[derive(Debug, Default, Args)]
pub struct Import {
    /// The file or the folder of the model
    #[arg(value_name = "PATH")]
    pub file: PathBuf,

    /// The network of a file that does not say it: xrv-densenet121, xrv-resnet50-512, chexnet, keras-sequential, or
    /// the name that torchvision or timm has for a network, such as resnet34, efficientnet_b0 or vit_base_patch16_224
    #[arg(long = "as", value_name = "NETWORK")]
    pub network: Option<NetworkArgument>,

    /// The name of the new model [default: the name of the file or the folder]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Labels of the outputs, in order: a,b,c or a file with one label on each line
    #[arg(long, value_name = "FILE|a,b,c")]
    pub labels: Option<String>,

    /// For a folder, an ONNX file or a network of torchvision or timm: what makes scores of the outputs [default: as its
    /// config.json says, else a softmax over two or more outputs; for ONNX, what its graph ends in]
    #[arg(long, value_enum, value_name = "FUNCTION")]
    pub scores: Option<ScoresArgument>,

    /// What is done to an image before the network sees it: imagenet-224-1, xrv-224-1, xrv-512-1, chexnet-224-1,
    /// keras-224-1 or a preprocessing file [default: as the folder's preprocessor_config.json says; none for ONNX and
    /// for a network of torchvision or timm]
    #[arg(long, value_name = "NAME|FILE")]
    pub preprocess: Option<String>,

    /// Replace a model of the same name or with the same weights
    #[arg(long)]
    pub force: bool,
}

/// Fetch a model of the Hugging Face hub and import it
///
/// A download that was interrupted continues the next time. A file is used only if it has the digest that
/// cxr knows or the hub states for it. HF_TOKEN, or the file that `hf auth login` writes, lets you in to
/// models that are not open; HF_ENDPOINT names another hub, and CXR_MIRROR a server with the same paths
/// that gets no token.
#[derive(Debug, Args)]
pub struct Pull {
    /// hf:OWNER/NAME, with @REVISION behind it for a branch, a tag or a commit; or the name of published
    /// weights of torchxrayvision, such as densenet121-res224-all
    #[arg(id = "pulled", value_name = "MODEL")]
    pub model: String,

    /// The name of the new model [default: the name on the hub]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Labels of the outputs, in order: a,b,c or a file with one label on each line [default: as its
    /// config.json says]
    #[arg(long, value_name = "FILE|a,b,c")]
    pub labels: Option<String>,

    /// What makes scores of the outputs [default: as its config.json says, else a softmax over two or more
    /// outputs]
    #[arg(long, value_enum, value_name = "FUNCTION")]
    pub scores: Option<ScoresArgument>,

    /// Replace a model of the same name or with the same weights
    #[arg(long)]
    pub force: bool,
}

/// Compare a model's numbers with those of its original code, image by image
///
/// TABLE is a CSV or TSV file with a row for each image. Column path names the image, and a column that is called
/// as a label of the model holds the score that the original code gives, before any calibration. Columns step 0,
/// step 1 and so on, and input, may name a .npy file with what the original code has after that step; `cxr models
/// show` numbers the steps. Then cxr says at which step the two part. An empty cell is not compared.
///
/// Exit status: 0 if everything agrees, 1 if something differs or could not be read.
#[derive(Debug, Args)]
pub struct CheckModel {
    /// Name or path of the model
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The table of the original code's numbers
    #[arg(long, value_name = "TABLE")]
    pub against: PathBuf,

    /// The folder of the files that the table names [default: the folder of the table]
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,

    /// The numbers are the outputs of the network, before sigmoid or softmax
    #[arg(long)]
    pub logits: bool,

    /// The largest difference of two numbers that agree
    #[arg(long, value_name = "NUMBER", default_value_t = 1e-4)]
    pub tolerance: f64,

    /// The largest difference of two values of a picture that agree, as a share of the range of the reference's
    #[arg(long, value_name = "SHARE", default_value_t = 1e-5)]
    pub step_tolerance: f64,
}

/// What makes scores of the outputs of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScoresArgument {
    /// Each output is a question of its own: several findings may be present
    Sigmoid,
    /// All outputs are one question: the scores add up to one
    Softmax,
}

/// A family of networks with one preprocessing.
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

/// Which network the file of a model is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkArgument {
    Family(FamilyArgument),
    /// The name that another library has for it, as it was typed.
    Named(String),
}

impl NetworkArgument {
    /// The names of all families.
    pub fn families() -> Vec<String> {
        let names = FamilyArgument::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value);
        names.map(|name| name.get_name().to_owned()).collect()
    }
}

/// A family, or else a name. Whether there is a network of this name is for others to say.
impl FromStr for NetworkArgument {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let family = <FamilyArgument as ValueEnum>::from_str(text, false);
        Ok(family.map_or_else(
            |_| NetworkArgument::Named(text.to_owned()),
            NetworkArgument::Family,
        ))
    }
}
