//! The layers of Keras' `model_config`, in order.

use std::collections::HashMap;

use serde_json::Value;

use crate::inference::network::keras_sequential::{CHANNELS, KerasLayer, KerasShape};
use crate::inference::preprocess::KERAS_SIDE as SIDE;

/// The most layers of a model. Models of these kinds of layers have tens.
const MOST_LAYERS: usize = 1_000;

/// The function after the last layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    Sigmoid,
    Softmax,
}

/// Layers in order, and the keys of their weights in the file.
pub struct KerasPlan {
    pub layers: Vec<KerasLayer>,
    pub shape: KerasShape,
    pub end: Option<End>,
    /// For each layer with weights its name, and its key in a `.keras` file: the class, and the number of layers of
    /// that class before it.
    pub keys: Vec<(String, String)>,
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
        // The oldest files have the list directly.
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
            keys: Vec::new(),
            seen: HashMap::new(),
        };
        let mut has_input = false;
        for layer in layers {
            let class = layer["class_name"].as_str().unwrap_or_default();
            let config = &layer["config"];
            has_input |= check_input(config)?;
            plan.add(class, config)?;
        }
        if has_input {
            Ok(plan)
        } else {
            Err("it does not say the size of its input".to_owned())
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
                self.push_weighted(layer, "conv2d", name)?;
            }
            "Dense" => {
                let units = size(&config["units"]).ok_or("a Dense layer without units")?;
                let layer = KerasLayer::Dense {
                    name: name.clone(),
                    units,
                };
                self.push_weighted(layer, "dense", name)?;
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

    /// Adds a layer with weights.
    fn push_weighted(
        &mut self,
        layer: KerasLayer,
        class: &str,
        name: String,
    ) -> Result<(), String> {
        let seen = self.seen.entry(class.to_owned()).or_default();
        let key = match *seen {
            0 => class.to_owned(),
            n => format!("{class}_{n}"),
        };
        *seen += 1;
        self.keys.push((name, key));
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

/// Whether this layer states the input's shape. Only one shape is supported.
fn check_input(config: &Value) -> Result<bool, String> {
    let shape = ["batch_shape", "batch_input_shape"]
        .iter()
        .find_map(|key| config[key].as_array());
    let Some(shape) = shape else {
        return Ok(false);
    };
    let sizes: Vec<_> = shape.iter().skip(1).map(size).collect();
    if sizes == [Some(SIDE), Some(SIDE), Some(CHANNELS)] {
        return Ok(true);
    }
    let word = |size: &Option<usize>| size.map_or("?".to_owned(), |size| size.to_string());
    let words: Vec<_> = sizes.iter().map(word).collect();
    Err(format!(
        "its input is {}, not {SIDE} × {SIDE} × {CHANNELS}",
        words.join(" × ")
    ))
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

/// Whether a ReLU neither leaks nor has a maximum.
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
