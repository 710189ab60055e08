//! Keras' `model_config`: which layers, in which order.

use std::collections::HashMap;

use serde_json::Value;

use crate::inference::network::keras_sequential::{CHANNELS, KerasLayer, KerasShape};
use crate::inference::preprocess::KERAS_SIDE as SIDE;

/// Layers of a model: those that are made of these kinds have tens.
const MOST_LAYERS: usize = 1_000;

/// What the last layer does with its outputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    Sigmoid,
    Softmax,
}

/// Layers in order, and where the weights of each are in the file.
pub struct KerasPlan {
    pub layers: Vec<KerasLayer>,
    pub shape: KerasShape,
    pub end: Option<End>,
    /// For each layer with weights its name, and the place in a `.keras` file: the class, and how
    /// many of it came before.
    pub places: Vec<(String, String)>,
    seen: HashMap<String, usize>,
}

impl KerasPlan {
    /// # Errors
    /// If a layer is of a kind that cxr does not have.
    pub fn of(config: &Value) -> Result<Self, String> {
        match config["class_name"].as_str() {
            Some("Sequential") => {}
            Some(other) => return Err(format!("it is of {}, not Sequential", quoted(other))),
            None => return Err("it does not say its class".to_owned()),
        }
        // The oldest files have the list itself.
        let layers = config["config"]["layers"].as_array();
        let layers = layers
            .or_else(|| config["config"].as_array())
            .ok_or("it does not say its layers")?;
        if layers.len() > MOST_LAYERS {
            let count = layers.len();
            return Err(format!(
                "it has {count} layers, and at most {MOST_LAYERS} are read"
            ));
        }
        let mut plan = KerasPlan {
            layers: Vec::new(),
            shape: KerasShape::input(SIDE),
            end: None,
            places: Vec::new(),
            seen: HashMap::new(),
        };
        let mut has_input = false;
        for layer in layers {
            let class = layer["class_name"].as_str().unwrap_or_default();
            let config = &layer["config"];
            has_input |= check_input(config)?;
            plan.add(class, config)?;
        }
        match has_input {
            true => Ok(plan),
            false => Err("it does not say the size of its input".to_owned()),
        }
    }

    fn add(&mut self, class: &str, config: &Value) -> Result<(), String> {
        let name = config["name"].as_str().unwrap_or(class).to_owned();
        if self.end.is_some() && !matches!(class, "Dropout" | "Flatten") {
            return Err(format!(
                "{} comes after its sigmoid or softmax",
                quoted(&name)
            ));
        }
        match class {
            "InputLayer" | "Dropout" => return Ok(()),
            "Conv2D" => {
                let layer = conv2d(&name, config)?;
                self.weighty(layer, "conv2d", name)?;
            }
            "Dense" => {
                let units = size(&config["units"]).ok_or("a Dense layer without units")?;
                let layer = KerasLayer::Dense {
                    name: name.clone(),
                    units,
                };
                self.weighty(layer, "dense", name)?;
            }
            "MaxPooling2D" => self.push(max_pooling(&name, config)?)?,
            "Flatten" => self.push(KerasLayer::Flatten)?,
            "ReLU" if is_plain_relu(config) => self.push(KerasLayer::Relu)?,
            "Activation" => {}
            other => {
                return Err(format!(
                    "{} is a {}, a layer that cxr does not have",
                    quoted(&name),
                    quoted(other)
                ));
            }
        }
        self.activate(config)
    }

    fn push(&mut self, layer: KerasLayer) -> Result<(), String> {
        self.shape = self.shape.after(&layer)?;
        self.layers.push(layer);
        Ok(())
    }

    fn weighty(&mut self, layer: KerasLayer, class: &str, name: String) -> Result<(), String> {
        let seen = self.seen.entry(class.to_owned()).or_default();
        let place = match *seen {
            0 => class.to_owned(),
            n => format!("{class}_{n}"),
        };
        *seen += 1;
        self.places.push((name, place));
        self.push(layer)
    }

    fn activate(&mut self, config: &Value) -> Result<(), String> {
        match config["activation"].as_str() {
            None if config["activation"].is_null() => Ok(()),
            Some("linear") => Ok(()),
            Some("relu") => self.push(KerasLayer::Relu),
            Some("sigmoid") => {
                self.end = Some(End::Sigmoid);
                Ok(())
            }
            Some("softmax") => {
                self.end = Some(End::Softmax);
                Ok(())
            }
            other => Err(format!(
                "it has the activation {}",
                quoted(other.unwrap_or("?"))
            )),
        }
    }
}

/// Whether this layer says the input's shape.
fn check_input(config: &Value) -> Result<bool, String> {
    let shape = ["batch_shape", "batch_input_shape"]
        .iter()
        .find_map(|key| config[key].as_array());
    let Some(shape) = shape else {
        return Ok(false);
    };
    let sizes: Vec<_> = shape.iter().skip(1).map(size).collect();
    match sizes == [Some(SIDE), Some(SIDE), Some(CHANNELS)] {
        true => Ok(true),
        false => Err(format!(
            "its input is {}, not {SIDE} × {SIDE} × {CHANNELS}",
            sizes
                .iter()
                .map(|size| size.map_or("?".to_owned(), |size| size.to_string()))
                .collect::<Vec<_>>()
                .join(" × ")
        )),
    }
}

fn conv2d(name: &str, config: &Value) -> Result<KerasLayer, String> {
    let plain = pair(&config["strides"]).is_none_or(|strides| strides == [1, 1])
        && pair(&config["dilation_rate"]).is_none_or(|rate| rate == [1, 1])
        && size(&config["groups"]).is_none_or(|groups| groups == 1);
    if !plain || !is_channels_last(config) {
        return Err(format!(
            "{} has strides, dilation, groups or an order of channels that cxr does not have",
            quoted(name)
        ));
    }
    let (Some(filters), Some(kernel)) = (size(&config["filters"]), pair(&config["kernel_size"]))
    else {
        return Err(format!("{} does not say its size", quoted(name)));
    };
    Ok(KerasLayer::Conv2d {
        name: name.to_owned(),
        filters,
        kernel,
        same: is_same(name, config)?,
    })
}

fn max_pooling(name: &str, config: &Value) -> Result<KerasLayer, String> {
    let Some(pool) = pair(&config["pool_size"]) else {
        return Err(format!("{} does not say its size", quoted(name)));
    };
    if is_same(name, config)? || !is_channels_last(config) {
        return Err(format!(
            "{} pools in a way that cxr does not have",
            quoted(name)
        ));
    }
    Ok(KerasLayer::MaxPooling2d {
        pool,
        strides: pair(&config["strides"]).unwrap_or(pool),
    })
}

fn is_same(name: &str, config: &Value) -> Result<bool, String> {
    match config["padding"].as_str() {
        Some("same") => Ok(true),
        Some("valid") | None => Ok(false),
        Some(other) => Err(format!("{} has padding {}", quoted(name), quoted(other))),
    }
}

fn is_channels_last(config: &Value) -> bool {
    config["data_format"]
        .as_str()
        .is_none_or(|order| order == "channels_last")
}

/// Neither leaking nor capped.
fn is_plain_relu(config: &Value) -> bool {
    config["max_value"].is_null()
        && ["negative_slope", "threshold"]
            .iter()
            .all(|key| config[key].as_f64().is_none_or(|value| value == 0.0))
}

fn size(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|size| usize::try_from(size).ok())
}

/// Two sizes, or one for both.
fn pair(value: &Value) -> Option<[usize; 2]> {
    match value.as_array().map(Vec::as_slice) {
        Some([a, b]) => Some([size(a)?, size(b)?]),
        Some(_) => None,
        None => size(value).map(|size| [size, size]),
    }
}

/// A name from the file, no longer than a line.
pub fn quoted(text: &str) -> String {
    text.chars().take(60).collect()
}
