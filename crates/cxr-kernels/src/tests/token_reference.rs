//! Networks of tokens computed by plain loops, in `f64`.

use crate::tokens::{
    AttentionSpec, LayerNormSpec, LinearSpec, MergeSpec, MlpSpec, PatchSpec, ReadoutKind,
    ReadoutSpec, TokenActivation, TokenConvSpec, TokenStepSpec, WindowSpec,
};

/// The numbers of a token.
type Token = Vec<f64>;

/// The tokens of an image.
pub struct Tokens {
    prefix: usize,
    height: usize,
    width: usize,
    rows: Vec<Token>,
}

/// What is read, and the attention rollout.
pub struct Expected {
    pub read: Vec<f32>,
    pub attention: Vec<f32>,
}

/// The answer for an image `[C, H, W]`, by definition.
pub fn answer(
    image: &[f32],
    size: [usize; 3],
    steps: &[TokenStepSpec],
    readout: &ReadoutSpec,
) -> Expected {
    let mut tokens = Tokens {
        prefix: 0,
        height: 0,
        width: 0,
        rows: Vec::new(),
    };
    let mut shares = Vec::new();
    for step in steps {
        match step {
            TokenStepSpec::Patches(patches) => tokens = cut(image, size, patches),
            TokenStepSpec::Attention(attention) => shares.extend(tokens.attend(attention)),
            TokenStepSpec::Mlp(mlp) => tokens.mlp(mlp),
            TokenStepSpec::Merge(merge) => tokens = tokens.merged(merge),
        }
    }
    let read = tokens.read(readout);
    let attention = if readout.kind.is_maps() {
        Vec::new()
    } else {
        tokens.rollout(&shares, readout.kind)
    };
    let round = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
    Expected {
        read: round(read),
        attention: round(attention),
    }
}

fn number(values: &[f32], at: usize) -> f64 {
    f64::from(values[at])
}

fn linear(token: &[f64], linear: &LinearSpec) -> Token {
    let output = |row: usize| {
        let bias = linear.bias.get(row).map_or(0.0, |bias| f64::from(*bias));
        let products = token.iter().enumerate();
        let products = products.map(|(at, v)| v * number(linear.weight, row * linear.input + at));
        products.sum::<f64>() + bias
    };
    (0..linear.output).map(output).collect()
}

/// Mean and deviation.
fn statistics(values: &[f64], epsilon: f32) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares = values.iter().map(|value| (value - mean).powi(2));
    let variance = squares.sum::<f64>() / values.len() as f64;
    (mean, (variance + f64::from(epsilon)).sqrt())
}

fn normalised(token: &[f64], norm: &LayerNormSpec) -> Token {
    let (mean, deviation) = statistics(token, norm.epsilon);
    let values = token.iter().enumerate();
    let value = |(at, value): (usize, &f64)| {
        (value - mean) / deviation * number(norm.weight, at) + number(norm.bias, at)
    };
    values.map(value).collect()
}

/// The distribution function of the normal distribution, by its series (Abramowitz & Stegun 26.2.11) where it
/// converges fast.
pub fn normal(x: f64) -> f64 {
    if x.abs() > 8.0 {
        return f64::from(u8::from(x > 0.0));
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= x * x / f64::from(2 * n + 1);
        sum += term;
    }
    0.5 + sum * (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt()
}

fn activated(token: Token, activation: TokenActivation) -> Token {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let root = (2.0 / std::f64::consts::PI).sqrt();
    let curve = |x: f64| match activation {
        TokenActivation::Gelu => x * normal(x),
        TokenActivation::GeluTanh => x * (1.0 + (root * (x + 0.044715 * x.powi(3))).tanh()) / 2.0,
        TokenActivation::QuickGelu => x * sigmoid(1.702 * x),
        TokenActivation::Relu => x.max(0.0),
        TokenActivation::Silu | TokenActivation::SwiGlu => x * sigmoid(x),
    };
    if activation != TokenActivation::SwiGlu {
        return token.into_iter().map(curve).collect();
    }
    let (gates, values) = token.split_at(token.len() / 2);
    let pairs = gates.iter().zip(values);
    pairs.map(|(gate, value)| curve(*gate) * value).collect()
}

/// The tokens of an image.
fn cut(image: &[f32], [channels, height, width]: [usize; 3], patches: &PatchSpec) -> Tokens {
    let side = patches.side;
    let along = |size: usize| {
        if patches.pads {
            size.div_ceil(side)
        } else {
            size / side
        }
    };
    let (down, across) = (along(height), along(width));
    let output = patches.linear.output;
    let prefix = patches.prefix.chunks_exact(output);
    let mut rows: Vec<Token> = prefix
        .map(|token| token.iter().map(|v| f64::from(*v)).collect())
        .collect();
    for cell in 0..down * across {
        let pixel = |at: usize| {
            let (channel, row, column) = (at / (side * side), at / side % side, at % side);
            let (y, x) = (cell / across * side + row, cell % across * side + column);
            if y < height && x < width {
                number(image, (channel * height + y) * width + x)
            } else {
                0.0
            }
        };
        let square: Vec<f64> = (0..channels * side * side).map(pixel).collect();
        let mut token = linear(&square, &patches.linear);
        if !patches.positions.is_empty() {
            for (at, value) in token.iter_mut().enumerate() {
                *value += number(patches.positions, cell * output + at);
            }
        }
        rows.push(token);
    }
    if let Some(norm) = &patches.norm {
        rows = rows.iter().map(|token| normalised(token, norm)).collect();
    }
    Tokens {
        prefix: patches.prefix.len() / output,
        height: down,
        width: across,
        rows,
    }
}

impl Tokens {
    /// Adds attention. Returns the shares of all tokens, the average of all heads, if it is over all tokens.
    fn attend(&mut self, attention: &AttentionSpec) -> Option<Vec<Token>> {
        let norm = |token: &Token| normalised(token, &attention.norm);
        let inside: Vec<Token> = self.rows.iter().map(norm).collect();
        let Some(windows) = &attention.windows else {
            let qkv: Vec<Token> = inside.iter().map(|t| linear(t, &attention.qkv)).collect();
            let (made, shares) = attended(&qkv, attention.heads, |_, _, _| 0.0);
            self.add(made.iter().map(|token| linear(token, &attention.output)));
            return Some(shares);
        };
        let made = self.attend_in_windows(&inside, attention, windows);
        self.add(made.iter().map(|token| linear(token, &attention.output)));
        None
    }

    /// The steps of the original: zeros around, a roll, windows, a mask, and all of it back.
    fn attend_in_windows(
        &self,
        inside: &[Token],
        attention: &AttentionSpec,
        windows: &WindowSpec,
    ) -> Vec<Token> {
        let WindowSpec { side, shift, bias } = *windows;
        let (down, across) = (self.height.div_ceil(side), self.width.div_ceil(side));
        let (height, width) = (down * side, across * side);
        let channels = inside[0].len();
        let rolled = |y: usize, x: usize| ((y + shift) % height, (x + shift) % width);
        let part = |at: usize, length: usize| match at {
            at if shift == 0 || at < length - side => 0,
            at if at < length - shift => 1,
            _ => 2,
        };
        let mut made = vec![Vec::new(); self.rows.len()];
        for window in 0..down * across {
            let place = |token: usize| {
                let y = window / across * side + token / side;
                (y, window % across * side + token % side)
            };
            let row = |token: usize| {
                let (y, x) = place(token);
                let (y, x) = rolled(y, x);
                (y < self.height && x < self.width).then_some(y * self.width + x)
            };
            let qkv = |token: usize| {
                let token = row(token).map_or(vec![0.0; channels], |row| inside[row].clone());
                linear(&token, &attention.qkv)
            };
            let tokens = side * side;
            let qkv: Vec<Token> = (0..tokens).map(qkv).collect();
            let parts = |token: usize| {
                let (y, x) = place(token);
                (part(y, height), part(x, width))
            };
            let added = |head: usize, one: usize, other: usize| {
                let apart = if parts(one) == parts(other) {
                    0.0
                } else {
                    -100.0
                };
                number(bias, (head * tokens + one) * tokens + other) + apart
            };
            let (window, _) = attended(&qkv, attention.heads, added);
            for (token, values) in window.into_iter().enumerate() {
                if let Some(row) = row(token) {
                    made[row] = values;
                }
            }
        }
        made
    }

    fn add(&mut self, made: impl Iterator<Item = Token>) {
        for (token, made) in self.rows.iter_mut().zip(made) {
            token
                .iter_mut()
                .zip(made)
                .for_each(|(to, value)| *to += value);
        }
    }

    fn mlp(&mut self, mlp: &MlpSpec) {
        let convolved = match &mlp.depthwise {
            Some(convolution) => self.convolved(convolution),
            None => self.rows.clone(),
        };
        let inside = |token: &Token| {
            let token = linear(&normalised(token, &mlp.norm), &mlp.up);
            activated(token, mlp.activation)
        };
        let mut inside: Vec<Token> = convolved.iter().map(inside).collect();
        if let Some(response) = &mlp.response {
            let channels = inside[0].len();
            let norm = |channel: usize| {
                let squares = inside.iter().map(|token| token[channel].powi(2));
                squares.sum::<f64>().sqrt()
            };
            let norms: Vec<f64> = (0..channels).map(norm).collect();
            let mean = norms.iter().sum::<f64>() / channels as f64 + 1e-6;
            for token in &mut inside {
                for (at, value) in token.iter_mut().enumerate() {
                    let scaled = number(response.weight, at) * *value * norms[at] / mean;
                    *value += scaled + number(response.bias, at);
                }
            }
        }
        self.add(inside.iter().map(|token| linear(token, &mlp.down)));
    }

    fn convolved(&self, convolution: &TokenConvSpec) -> Vec<Token> {
        let kernel = convolution.kernel;
        let channels = self.rows[0].len();
        let value = |cell: usize, channel: usize| {
            let mut sum = number(convolution.bias, channel);
            for row in 0..kernel {
                for column in 0..kernel {
                    let y = (cell / self.width + row).checked_sub(kernel / 2);
                    let x = (cell % self.width + column).checked_sub(kernel / 2);
                    let (Some(y), Some(x)) = (y, x) else { continue };
                    if y < self.height && x < self.width {
                        let tap = (channel * kernel + row) * kernel + column;
                        let token = &self.rows[y * self.width + x];
                        sum += number(convolution.weight, tap) * token[channel];
                    }
                }
            }
            sum
        };
        (0..self.rows.len())
            .map(|cell| (0..channels).map(|channel| value(cell, channel)).collect())
            .collect()
    }

    fn merged(&self, merge: &MergeSpec) -> Tokens {
        let half = |size: usize| {
            if merge.pads {
                size.div_ceil(2)
            } else {
                size / 2
            }
        };
        let (down, across) = (half(self.height), half(self.width));
        let channels = self.rows[0].len();
        let token = |cell: usize| {
            let (y, x) = (cell / across * 2, cell % across * 2);
            let four = [(y, x), (y + 1, x), (y, x + 1), (y + 1, x + 1)].map(|(y, x)| {
                let is_there = y < self.height && x < self.width;
                let token = is_there.then(|| &self.rows[y * self.width + x]);
                match (token, &merge.before) {
                    (Some(token), Some(norm)) => normalised(token, norm),
                    (Some(token), None) => token.clone(),
                    (None, _) => vec![0.0; channels],
                }
            });
            let four = four.concat();
            let four = match &merge.after {
                Some(norm) => normalised(&four, norm),
                None => four,
            };
            linear(&four, &merge.linear)
        };
        Tokens {
            prefix: 0,
            height: down,
            width: across,
            rows: (0..down * across).map(token).collect(),
        }
    }

    fn read(&self, readout: &ReadoutSpec) -> Token {
        let normal = |token: &Token| normalised(token, &readout.norm);
        let image = &self.rows[self.prefix..];
        let channels = self.rows[0].len();
        let average = |tokens: &[Token]| -> Token {
            let mean = |channel: usize| {
                let sum: f64 = tokens.iter().map(|token| token[channel]).sum();
                sum / tokens.len() as f64
            };
            (0..channels).map(mean).collect()
        };
        let planes = |tokens: &[Token]| -> Token {
            let plane = |channel: usize| tokens.iter().map(move |token| token[channel]);
            (0..channels).flat_map(plane).collect()
        };
        match readout.kind {
            ReadoutKind::ClassToken => normal(&self.rows[0]),
            ReadoutKind::ClassAndMean => {
                let image: Vec<Token> = image.iter().map(normal).collect();
                [normal(&self.rows[0]), average(&image)].concat()
            }
            ReadoutKind::Maps => planes(&image.iter().map(normal).collect::<Vec<_>>()),
            ReadoutKind::NormalisedAverage => {
                let (_, deviation) = statistics(&average(image), readout.norm.epsilon);
                let spread = |token: &Token| {
                    let mean = token.iter().sum::<f64>() / channels as f64;
                    let values = token.iter().enumerate();
                    let value = |(at, value): (usize, &f64)| {
                        let normal = (value - mean) / deviation;
                        normal * number(readout.norm.weight, at) + number(readout.norm.bias, at)
                    };
                    values.map(value).collect()
                };
                planes(&image.iter().map(spread).collect::<Vec<Token>>())
            }
        }
    }

    fn rollout(&self, layers: &[Vec<Token>], kind: ReadoutKind) -> Token {
        let (count, cells) = (self.rows.len(), self.rows.len() - self.prefix);
        let mut flow = vec![0.0; count];
        flow[0] = 1.0;
        if kind == ReadoutKind::ClassAndMean {
            flow[0] = 0.5;
            flow[self.prefix..].fill(0.5 / cells as f64);
        }
        for shares in layers.iter().rev() {
            let before = |to: usize| {
                let through = (0..count).map(|from| flow[from] * shares[from][to]);
                0.5 * (through.sum::<f64>() + flow[to])
            };
            flow = (0..count).map(before).collect();
        }
        let sum: f64 = flow[self.prefix..].iter().sum();
        let share = |value: &f64| value / sum * cells as f64;
        flow[self.prefix..].iter().map(share).collect()
    }
}

/// Attention of tokens to each other by their queries, keys and values, with a number `added(head, query, key)` to each
/// score. The second result is the shares, the average of all heads.
fn attended(
    qkv: &[Token],
    heads: usize,
    added: impl Fn(usize, usize, usize) -> f64,
) -> (Vec<Token>, Vec<Token>) {
    let channels = qkv[0].len() / 3;
    let size = channels / heads;
    let mut made = vec![Vec::new(); qkv.len()];
    let mut all = vec![vec![0.0; qkv.len()]; qkv.len()];
    for head in 0..heads {
        let part =
            |which: usize, token: usize| &qkv[token][which * channels + head * size..][..size];
        for query in 0..qkv.len() {
            let power = |key: usize| {
                let pairs = part(0, query).iter().zip(part(1, key));
                let score: f64 = pairs.map(|(a, b)| a * b).sum();
                (score / (size as f64).sqrt() + added(head, query, key)).exp()
            };
            let powers: Vec<f64> = (0..qkv.len()).map(power).collect();
            let sum: f64 = powers.iter().sum();
            for at in 0..size {
                let values = powers.iter().enumerate();
                let values = values.map(|(key, power)| power / sum * part(2, key)[at]);
                made[query].push(values.sum());
            }
            for (share, power) in all[query].iter_mut().zip(&powers) {
                *share += power / sum / heads as f64;
            }
        }
    }
    (made, all)
}
