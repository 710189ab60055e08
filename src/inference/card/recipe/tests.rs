//! Recipes as files: what is read, what is written, and what is refused.

use super::super::tests::FULL;
use super::super::{parse_card, write_card};
use super::*;
use crate::inference::preprocess::Preprocess;

const TORCHVISION: &str = r#"
    preprocess = "recipe-1"

    [preprocessing]
    film = { values = "window", depth = "bytes", colour = "rgb", channels = 3 }
    step = [
        { do = "resize", short = 256, filter = "pillow-bilinear" },
        { do = "crop", centre = 224 },
        { do = "range", low = 0, high = 1 },
        { do = "normalise", mean = [0.485, 0.456, 0.406], deviation = [0.229, 0.224, 0.225] },
    ]
"#;

/// One of each step, of each word and of each key, in recipes that need not be useful.
const OTHERS: [&str; 3] = [
    r#"
    preprocess = "recipe-1"
    [preprocessing.film]
    values = "physical"
    depth = "floats"
    colour = "luma"
    channels = 1
    [[preprocessing.step]]
    do = "crop"
    to = "lungs"
    [[preprocessing.step]]
    do = "resize"
    long = 224
    rounding = "nearest"
    filter = "opencv-area"
    [[preprocessing.step]]
    do = "pad"
    size = 256
    at = "top-left"
    fill = [-1]
    [[preprocessing.step]]
    do = "stretch"
    from = 1
    to = 99
    low = -1
    high = 1
    [[preprocessing.step]]
    do = "clip"
    low = -1.4
    high = 1.4
    [[preprocessing.step]]
    do = "standardise"
    "#,
    r#"
    preprocess = "recipe-1"
    [preprocessing]
    film = { values = "bit-depth", depth = "floats", colour = "red", channels = 1 }
    step = [
        { do = "crop", to = "square" },
        { do = "range", low = -1024, high = 1024 },
        { do = "resize", size = 224, filter = "skimage-constant" },
    ]
    "#,
    r#"
    preprocess = "recipe-1"
    [preprocessing]
    film = { values = "whole-range", depth = "bytes-down", colour = "bgr", channels = 3 }
    step = [
        { do = "resize", short = 256, rounding = "nearest", filter = "opencv-linear" },
        { do = "crop", centre = 300, like = "transformers-pil", fill = [1, 2, 3] },
        { do = "scale", times = 0.00392156862745098, plus = -1 },
    ]
    "#,
];

#[test]
fn a_written_recipe_is_read_back() {
    for text in OTHERS.into_iter().chain([TORCHVISION]) {
        let recipe = parse_recipe(text).unwrap();
        let written = write_recipe(&recipe).unwrap();
        assert_eq!(parse_recipe(&written).unwrap(), recipe, "{written}");
    }
}

#[test]
fn every_family_is_a_recipe_that_can_be_written() {
    for (name, size) in [
        ("cxr-1", 192),
        ("cxr-2", 224),
        ("xrv-224-1", 224),
        ("xrv-512-1", 512),
        ("chexnet-224-1", 224),
        ("imagenet-224-1", 224),
        ("keras-224-1", 224),
    ] {
        let preprocess = Preprocess::named(name, size).unwrap();
        let written = write_recipe(preprocess.recipe()).unwrap();
        let read = parse_recipe(&written).unwrap();
        assert_eq!(&read, preprocess.recipe(), "{name}");
        let again = Preprocess::by(&read).unwrap();
        assert_eq!(
            (again.size(), again.channels()),
            (size, preprocess.channels())
        );
    }
}

/// With Python: `hashlib.sha256(text.encode()).hexdigest()[:12]` of the text in `domain/recipe/text.rs`. Another name
/// would part the rows of tables from those of tomorrow.
#[test]
fn the_name_of_a_recipe_stays_what_it_is() {
    let recipe = parse_recipe(TORCHVISION).unwrap();
    assert_eq!(recipe_name(&recipe), "recipe-1-1ff4575f5d36");
    let wider = TORCHVISION.replace("short = 256", "short = 257");
    assert_ne!(
        recipe_name(&parse_recipe(&wider).unwrap()),
        recipe_name(&recipe)
    );
}

/// A card for images of 224 × 224, with this line for the preprocessing and the sections of `recipe`.
fn card(preprocess: &str, recipe: &str) -> String {
    let sections = recipe.replace("preprocess = \"recipe-1\"", "");
    let old = FULL
        .lines()
        .find(|line| line.trim().starts_with("preprocess = "));
    let new = format!("preprocess = {preprocess:?}");
    format!("{}\n{sections}", FULL.replacen(old.unwrap(), &new, 1))
}

#[test]
fn a_card_keeps_its_recipe_and_its_name_has_the_digest() {
    let read = parse_card(&card("recipe-1", TORCHVISION)).unwrap();
    let recipe = parse_recipe(TORCHVISION).unwrap();
    assert_eq!(read.preprocess, recipe_name(&recipe));
    assert_eq!(read.recipe.as_ref(), Some(&recipe));
    let written = write_card(&read).unwrap();
    assert!(written.contains("preprocess = \"recipe-1\"\n"), "{written}");
    assert_eq!(parse_card(&written).unwrap(), read);
    // The name with its digest is as good.
    let named = card(&recipe_name(&recipe), TORCHVISION);
    assert_eq!(parse_card(&named).unwrap(), read);
}

#[test]
fn a_name_and_a_recipe_that_do_not_belong_together_are_refused() {
    let fault = |name, recipe| parse_card(&card(name, recipe)).unwrap_err().to_string();
    for (name, recipe, words) in [
        ("recipe-1", "", "[preprocessing] is absent"),
        ("recipe-1-0123456789ab", "", "[preprocessing] is absent"),
        (
            "recipe-1-0123456789ab",
            TORCHVISION,
            "[preprocessing] is recipe-1-",
        ),
        (
            "cxr-1",
            TORCHVISION,
            "preprocess is \"cxr-1\", and [preprocessing] is recipe-1-",
        ),
        ("recipe-2", TORCHVISION, "preprocess is \"recipe-2\""),
    ] {
        let fault = fault(name, recipe);
        assert!(fault.contains(words), "{fault}");
    }
    // A name that this program does not have is refused when the model is loaded.
    assert_eq!(
        parse_card(&card("recipe-10", "")).unwrap().preprocess,
        "recipe-10"
    );
}

#[test]
fn what_is_not_in_the_vocabulary_is_refused_by_name() {
    for (from, to, words) in [
        ("\"resize\"", "\"blur\"", "unknown variant `blur`"),
        (
            "short = 256",
            "short = 256, size = 9",
            "step 1, resize: it takes one of",
        ),
        ("short = 256, ", "", "step 1, resize: it takes one of"),
        (
            "short = 256",
            "size = 256, rounding = \"down\"",
            "rounding is for short and long",
        ),
        (
            "short = 256",
            "short = 256, rounding = \"up\"",
            "rounding is \"up\", not down, nearest",
        ),
        ("short = 256", "short = -1", "-1"),
        (
            "pillow-bilinear",
            "bilinear",
            "filter is \"bilinear\", not pillow-nearest, ",
        ),
        (
            "filter =",
            "antialias = true, filter =",
            "unknown field `antialias`",
        ),
        (
            "centre = 224",
            "centre = 224, to = \"square\"",
            "step 2, crop: it takes either",
        ),
        (
            "centre = 224",
            "to = \"heart\"",
            "to is \"heart\", not square",
        ),
        (
            "centre = 224",
            "to = \"square\", fill = [0]",
            "like and fill are for",
        ),
        (
            "centre = 224",
            "centre = 224, like = \"pil\"",
            "like is \"pil\", not torchvision",
        ),
        (
            "\"window\"",
            "\"hounsfield\"",
            "film: values is \"hounsfield\", not window, ",
        ),
        ("\"bytes\"", "\"words\"", "depth is \"words\""),
        ("\"rgb\"", "\"cmyk\"", "colour is \"cmyk\""),
        ("channels = 3", "channels = 4", "channels is 4"),
        (
            "0.485, ",
            "",
            "step 4, normalise: mean has 2 numbers, not 1 or 3",
        ),
        (
            "low = 0, high = 1",
            "low = 1, high = 0",
            "step 3, range: low is 1",
        ),
        ("step =", "steps =", "unknown field `steps`"),
        ("film = {", "films = {", "films"),
        (
            "preprocess = \"recipe-1\"",
            "preprocess = \"recipe-9\"",
            "preprocess is \"recipe-9\"",
        ),
        (
            "{ do = \"crop\", centre = 224 },",
            "{ do = \"standardise\", by = 1 },",
            "unknown field `by`",
        ),
    ] {
        assert!(TORCHVISION.contains(from), "{from}");
        let text = TORCHVISION.replacen(from, to, 1);
        let fault = parse_recipe(&text).unwrap_err().to_string();
        assert!(fault.contains(words), "{fault}");
        assert!(!fault.contains('\n'), "{fault}");
    }
}
