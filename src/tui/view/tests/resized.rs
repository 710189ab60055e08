//! A terminal that was made smaller is drawn before its message arrives: the panes are still those of the size before.

use super::*;

const BEFORE: [(u16, u16); 3] = [(200, 50), (80, 24), (55, 50)];
const NOW: [(u16, u16); 5] = [(1, 1), (5, 3), (2, 40), (80, 1), (40, 15)];

/// With each key of the keyboard pressed, so each box, list and line for text is there once.
#[test]
fn panes_of_the_size_before_are_drawn_in_a_smaller_terminal() {
    for (width, height) in BEFORE {
        for first in ['o', 'M', 'C', '#'] {
            for key in '!'..='~' {
                let mut model = model_of(width, height);
                press(&mut model, first);
                press(&mut model, key);
                for size in NOW {
                    draw_in(&model, size);
                }
            }
        }
    }
}

#[test]
fn two_films_of_the_size_before_are_drawn_in_a_smaller_terminal() {
    for (width, height) in BEFORE {
        let mut model = comparison::model(width, height);
        press(&mut model, 'C');
        comparison::show_compared(&mut model);
        NOW.iter().for_each(|size| draw_in(&model, *size));
    }
}

fn draw_in(model: &Model, (width, height): (u16, u16)) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let theme = Theme::new(Colours::None);
    let mut blocks = Blocks::new(Colours::True, (10, 20));
    terminal
        .draw(|frame| {
            if model.grid.is_open {
                draw_grid(model, &theme, Some(&mut blocks), frame);
            } else {
                draw(model, &theme, Some(&mut blocks), frame);
            }
        })
        .unwrap();
}
