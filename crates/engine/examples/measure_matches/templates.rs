//! Drawn images that share a template: copies of stored ones, and others with another content.

use image::RgbImage;

use crate::attack;
use crate::draw::{self, Chance};
use crate::template;
use crate::{Case, File};

/// Templates of each kind, and stored contents of each template.
const TEMPLATES: u64 = 4;
const CONTENTS: u64 = 5;

/// A kind of template: its name, and its drawing by template and content.
type Kind = (&'static str, fn(u64, u64) -> RgbImage);

const KINDS: [Kind; 4] = [
    ("garment", template::garment),
    ("qr code", template::qr_code),
    ("form", template::form),
    ("stock photo", template::stock_photo),
];

type Attack = (&'static str, fn(&RgbImage, &mut Chance) -> RgbImage);

const COPIES: [Attack; 4] = [
    ("jpeg", |image, _| attack::jpeg(image, 30)),
    ("small", |image, _| attack::scale(image, 0.5, 0.5)),
    ("crop", |image, chance| attack::crop(image, 0.8, chance)),
    ("turn", |image, _| attack::rotate(image, 7.0)),
];

/// Draws the images to store.
pub fn stored() -> Vec<Case> {
    each(|kind, draw, template, content| {
        let name = format!("{kind} {template} {content}");
        vec![Case {
            label: kind.into(),
            file: File::Bytes(draw::jpeg(&draw(template, 100 * template + content), 92)),
            source: Some(name.clone()),
            name,
        }]
    })
}

/// Draws the queries.
pub fn queries() -> Vec<Case> {
    each(|kind, draw, template, content| {
        let image = draw(template, 100 * template + content);
        let mut queries: Vec<Case> = COPIES
            .iter()
            .map(|(attack, make)| {
                let mut chance = Chance::new(template * 100 + content);
                Case {
                    label: kind.into(),
                    name: format!("{kind} {template} {content} {attack}"),
                    file: File::Bytes(draw::jpeg(&make(&image, &mut chance), 92)),
                    source: Some(format!("{kind} {template} {content}")),
                }
            })
            .collect();
        queries.push(Case {
            label: kind.into(),
            name: format!("{kind} {template}, other {content}"),
            file: File::Bytes(draw::jpeg(
                &draw(template, 1000 + 100 * template + content),
                92,
            )),
            source: None,
        });
        queries
    })
}

fn each(make: impl Fn(&'static str, fn(u64, u64) -> RgbImage, u64, u64) -> Vec<Case>) -> Vec<Case> {
    let mut drawn = Vec::new();
    for (kind, draw) in KINDS {
        for template in 0..TEMPLATES {
            for content in 0..CONTENTS {
                drawn.extend(make(kind, draw, template, content));
            }
        }
    }
    drawn
}
