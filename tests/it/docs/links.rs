//! Links between the documents lead to files and headings that exist.

use std::path::Path;

use super::read;

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut links = 0;
    for pattern in ["*.md", "docs/*.md", "docs/clients/*.md", "clients/*/*.md"] {
        for page in glob::glob(&format!("{}/{pattern}", root.display())).unwrap() {
            let page = page.unwrap();
            let name = page.strip_prefix(root).unwrap().to_str().unwrap();
            for link in read(name).split("](").skip(1) {
                let (link, _) = link.split_once(')').unwrap();
                let (file, heading) = link.split_once('#').unwrap_or((link, ""));
                let target = match file {
                    _ if link.contains("://") => continue,
                    "" => page.clone(),
                    file => page.with_file_name(file),
                };
                assert!(target.exists(), "{name}: {link}");
                let has_heading =
                    heading.is_empty() || headings(&target).contains(&heading.to_owned());
                assert!(has_heading, "{name}: no such heading: {link}");
                links += 1;
            }
        }
    }
    assert!(links > 50, "{links}");
}

/// Returns the anchors of the headings of a document.
fn headings(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let letters = heading
            .chars()
            .map(|letter| if letter == ' ' { '-' } else { letter });
        letters
            .filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_'))
            .collect()
    };
    headings.map(anchor).collect()
}
