//! The terminal in words, for `cxr doctor`: what lies between it and the program, how images are painted
//! and why, how many bytes they take, and what would make it better.

use std::time::Duration;

use crossterm::terminal::size;
use ratatui::layout::Rect;

use super::preview::{self, GraphicsMode};
use super::terminal::{
    Capabilities, ColourChoice, Colours, Inside, colours, is_interactive, probe_alone,
};
use crate::domain::text::clean;

/// Shows which signs the font has: no question tells that.
const GLYPHS: &str = "half blocks ▀▄ and quadrants ▘▝▖▗▚▞▛▜▙▟; where some of these are no blocks: --graphics half-blocks";

/// A few lines about the terminal of this process.
pub fn terminal_report(
    wanted: GraphicsMode,
    colour: ColourChoice,
    wait: Duration,
    coarse_above: Option<u32>,
) -> Vec<String> {
    if !is_interactive() {
        return vec!["none here: standard input or output is not a terminal".to_owned()];
    }
    let Ok(can) = probe_alone(wait) else {
        return vec!["here, and cannot be set to raw mode".to_owned()];
    };
    let env = |name: &str| std::env::var(name).ok();
    let colours = colours(colour, env);
    let (painter, reason) = preview::choose(wanted, &can, colours);
    let painting = painter.map_or("nothing", |painter| painter.name());
    let mut lines = vec![
        format!("images as {painting}: {}", reason.why),
        format!("chain: {}", chain(&can, env)),
        format!(
            "{}; {}; {}",
            cell(&can),
            colour_words(colours),
            answer(&can, wait)
        ),
    ];
    let coarse = match preview::budget(coarse_above, &can) {
        Some(bytes) => format!("; above {} KiB coarse first", bytes >> 10),
        None => String::new(),
    };
    lines.push(format!(
        "a radiograph here takes {}{coarse}",
        costs(&can, colours)
    ));
    lines.push(GLYPHS.to_owned());
    let fix = reason.fix.or_else(|| colour_fix(&can, colours, painting));
    lines.extend(fix.map(|fix| format!("better with: {fix}")));
    lines
}

/// The links from this program to the terminal: `cxr · tmux 3.3a (…) · ssh · kitty(0.41.1)`.
fn chain(can: &Capabilities, env: impl Fn(&str) -> Option<String>) -> String {
    let mut links = vec!["cxr".to_owned()];
    let switch = |on: bool| if on { "on" } else { "off" };
    if let Inside::Tmux(tmux) = &can.inside {
        links.push(format!(
            "tmux {} (allow-passthrough {}, focus-events {})",
            tmux.version,
            switch(tmux.passthrough),
            switch(tmux.focus_events)
        ));
    }
    if can.ssh {
        links.push("ssh".to_owned());
    }
    if let Inside::Unknown(why) = &can.inside {
        links.push(why.clone());
    }
    links.push(match &can.inside {
        Inside::Tmux(tmux) if tmux.clients.is_empty() => "no terminal attached".to_owned(),
        Inside::Tmux(tmux) => {
            let names = tmux.clients.iter().map(|client| client.name_of_terminal());
            names.collect::<Vec<_>>().join(" and ")
        }
        _ => terminal(can, env),
    });
    links
        .iter()
        .map(|link| clean(link))
        .collect::<Vec<_>>()
        .join(" · ")
}

/// The name that the terminal gives, and the names in the environment.
fn terminal(can: &Capabilities, env: impl Fn(&str) -> Option<String>) -> String {
    let words = ["TERM", "TERM_PROGRAM", "LC_TERMINAL"].into_iter();
    let variables: Vec<_> = words
        .filter_map(|name| Some(format!("{name}={}", env(name).filter(|v| !v.is_empty())?)))
        .collect();
    let name = can.name.as_deref().unwrap_or("a terminal without a name");
    format!("{name} ({})", variables.join(", "))
}

fn cell(can: &Capabilities) -> String {
    match can.cell {
        Some((width, height)) => format!("cells of {width} × {height} pixels"),
        None => "cells of unknown size".to_owned(),
    }
}

fn answer(can: &Capabilities, wait: Duration) -> String {
    match can.round_trip {
        Some(time) => format!("answered in {:.1} ms", time.as_secs_f64() * 1e3),
        None => format!("no answer within {} ms", wait.as_millis()),
    }
}

/// The bytes of one picture in the right half of the screen, by the ways of painting.
fn costs(can: &Capabilities, colours: Colours) -> String {
    let (columns, rows) = size().unwrap_or((80, 24));
    let area = Rect::new(0, 0, (columns / 2).max(20), rows.saturating_sub(3).max(10));
    let costs = preview::costs(area, can.cell.unwrap_or(preview::DEFAULT_CELL), colours);
    let words = costs
        .iter()
        .map(|(name, bytes)| format!("{} KiB as {name}", bytes.div_ceil(1024)));
    words.collect::<Vec<_>>().join(", ")
}

fn colour_words(colours: Colours) -> &'static str {
    match colours {
        Colours::True => "24-bit colours",
        Colours::Palette => "256 colours",
        Colours::None => "no colours",
    }
}

/// How to get 24-bit colours. Asked for blocks only, which gain most: 256 greys instead of 26.
fn colour_fix(can: &Capabilities, colours: Colours, painting: &str) -> Option<String> {
    if colours == Colours::None || !preview::is_of_characters(painting) {
        return None;
    }
    match &can.inside {
        Inside::Tmux(tmux) => {
            let reduced = tmux.clients.iter().find(|client| !client.has_truecolour())?;
            Some(format!(
                "~/.tmux.conf: set -as terminal-features \",{}:RGB\"",
                clean(&reduced.term)
            ))
        }
        _ if colours == Colours::Palette && can.ssh => Some(
            "~/.ssh/config, where the terminal runs: SetEnv COLORTERM=truecolor (and AcceptEnv COLORTERM in \
             sshd_config here), or --color always"
                .to_owned(),
        ),
        _ if colours == Colours::Palette => {
            Some("COLORTERM=truecolor, or --color always".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::terminal::{Client, Tmux};

    fn env(vars: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |name| {
            let found = vars.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    fn inside_tmux(client: Client) -> Capabilities {
        let tmux = Tmux {
            version: "3.3a".into(),
            clients: vec![client],
            ..Tmux::default()
        };
        Capabilities {
            inside: Inside::Tmux(tmux.into()),
            ssh: true,
            ..Capabilities::default()
        }
    }

    #[test]
    fn the_chain_names_every_link() {
        let plain = Capabilities {
            name: Some("WezTerm 2024".into()),
            ssh: true,
            ..Capabilities::default()
        };
        let vars = env(&[("TERM", "xterm-256color"), ("LC_TERMINAL", "Wez\x1bTerm")]);
        assert_eq!(
            chain(&plain, vars),
            "cxr · ssh · WezTerm 2024 (TERM=xterm-256color, LC_TERMINAL=Wez Term)"
        );
        let kitty = Client {
            kind: "kitty(0.41.1)".into(),
            ..Client::default()
        };
        assert_eq!(
            chain(&inside_tmux(kitty), env(&[])),
            "cxr · tmux 3.3a (allow-passthrough off, focus-events off) · ssh · kitty(0.41.1)"
        );
    }

    #[test]
    fn a_tmux_that_reduces_colours_is_reported_where_blocks_are_drawn() {
        let client = |features: &str| {
            inside_tmux(Client {
                term: "xterm-kitty".into(),
                features: features.into(),
                ..Client::default()
            })
        };
        let fix = |can: &Capabilities, painting| colour_fix(can, Colours::True, painting);
        let advice = fix(&client("256,title"), "quadrants").unwrap();
        assert!(advice.contains("\",xterm-kitty:RGB\""), "{advice}");
        assert_eq!(fix(&client("256,RGB"), "quadrants"), None);
        assert_eq!(fix(&client("256,title"), "kitty in tmux"), None);
    }
}
