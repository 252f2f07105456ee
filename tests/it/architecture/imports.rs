//! Which file of a crate uses which: every path in the code, resolved to the file that defines it.
//!
//! Files are parsed with `syn`. Code under `#[cfg(test)]` does not count, wherever in a file it
//! stands, nor do the tokens of macro calls. A path leads from module to module; where a module
//! only re-exports a name, the re-export is followed, so that an import counts for the file with
//! the definition. A `pub use` by which a module re-exports its own children is no import.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;
use syn::{Attribute, Item, UseTree, Visibility};

use super::sources::{Source, rust_files};

/// Segments of a path below the root of its crate.
type Path = Vec<String>;

/// The modules of one crate and what each file imports.
pub(super) struct Crate {
    modules: BTreeMap<Path, Module>,
}

/// A file of a crate.
struct Module {
    file: String,
    /// Names of the scope, with the absolute path that each stands for.
    names: BTreeMap<String, Path>,
    /// Absolute paths that the code names, re-exports of children apart.
    uses: BTreeSet<Path>,
}

// === impl Crate ===

impl Crate {
    /// Reads the crate below `folder`, which other crates call by one of `names`; its root is
    /// lib.rs, and main.rs is a module beside it.
    pub(super) fn read(folder: &str, names: &[&str]) -> Self {
        let sources = rust_files(&[folder]);
        let mut modules = BTreeMap::new();
        let paths: BTreeSet<Path> = sources
            .iter()
            .map(|file| module_path(folder, file))
            .collect();
        for source in &sources {
            let path = module_path(folder, source);
            // Tests in a file of their own.
            if path
                .last()
                .is_some_and(|name| name == "tests" || name == "interleavings")
                || path.iter().any(|name| name == "tests")
            {
                continue;
            }
            let mut reader = Reader::new(&path, &paths, names, source);
            let parsed = syn::parse_file(&source.text);
            reader.visit_file(&parsed.unwrap_or_else(|error| panic!("{}: {error}", source.path)));
            let module = reader.module;
            modules.insert(path, module);
        }
        Crate { modules }
    }

    /// Returns each import as the importing and the imported file.
    pub(super) fn imports(&self) -> BTreeSet<[String; 2]> {
        let mut imports = BTreeSet::new();
        for module in self.modules.values() {
            for path in &module.uses {
                if let Some(target) = self.defining_file(path, 0)
                    && *target != module.file
                {
                    imports.insert([module.file.clone(), target.clone()]);
                }
            }
        }
        imports
    }

    /// Follows a path through modules and re-exports.
    fn defining_file(&self, path: &[String], depth: usize) -> Option<&String> {
        assert!(depth < 16, "re-exports of {path:?} lead in a circle");
        let known = (0..=path.len())
            .rev()
            .find(|end| self.modules.contains_key(&path[..*end]))?;
        let module = &self.modules[&path[..known]];
        let Some(name) = path.get(known) else {
            return Some(&module.file);
        };
        if let Some(origin) = module.names.get(name) {
            let origin: Path = origin.iter().chain(&path[known + 1..]).cloned().collect();
            if origin != path {
                return self.defining_file(&origin, depth + 1);
            }
        }
        Some(&module.file)
    }
}

// === impl Reader ===

/// Reads one file.
struct Reader<'a> {
    path: &'a [String],
    crate_names: &'a [&'a str],
    children: BTreeSet<String>,
    module: Module,
}

impl<'a> Reader<'a> {
    fn new(
        path: &'a [String],
        paths: &BTreeSet<Path>,
        crate_names: &'a [&'a str],
        source: &Source,
    ) -> Self {
        let is_child = |other: &&Path| other.len() == path.len() + 1 && other.starts_with(path);
        let children = paths
            .iter()
            .filter(is_child)
            .filter_map(|child| child.last().cloned());
        Reader {
            path,
            crate_names,
            children: children.collect(),
            module: Module {
                file: source.path.clone(),
                names: BTreeMap::new(),
                uses: BTreeSet::new(),
            },
        }
    }

    /// Makes a path absolute; `None` for one that leads out of the crate.
    fn absolute(&self, segments: &[String]) -> Option<Path> {
        let (first, rest) = segments.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            name if self.crate_names.contains(&name) => Vec::new(),
            "self" => self.path.to_vec(),
            "super" => self.path.split_last()?.1.to_vec(),
            name if self.children.contains(name) => [self.path, &[name.to_owned()]].concat(),
            name => self.module.names.get(name)?.clone(),
        };
        for segment in rest {
            match segment.as_str() {
                "super" => drop(base.pop()),
                "self" => {}
                _ => base.push(segment.clone()),
            }
        }
        Some(base)
    }

    fn use_tree(&mut self, tree: &UseTree, before: &mut Path, is_public: bool) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.use_tree(&path.tree, before, is_public);
                before.pop();
            }
            UseTree::Name(name) => self.imported(before, &name.ident, &name.ident, is_public),
            UseTree::Rename(name) => self.imported(before, &name.ident, &name.rename, is_public),
            UseTree::Glob(_) => {
                let path = self.absolute(before);
                self.module.uses.extend(path);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, before, is_public);
                }
            }
        }
    }

    fn imported(
        &mut self,
        before: &[String],
        name: &syn::Ident,
        alias: &syn::Ident,
        is_public: bool,
    ) {
        let segments: Path = before.iter().cloned().chain([name.to_string()]).collect();
        let Some(path) = self.absolute(&segments) else {
            return;
        };
        let alias = match alias.to_string() {
            alias if alias == "self" => before.last().cloned().unwrap_or_default(),
            alias => alias,
        };
        self.module.names.insert(alias, path.clone());
        let is_reexport = is_public && path.len() > self.path.len() && path.starts_with(self.path);
        if !is_reexport {
            self.module.uses.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_public = !matches!(item.vis, Visibility::Inherited);
        self.use_tree(&item.tree, &mut Vec::new(), is_public);
    }

    /// `pub(in crate::x)` names no item.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Path = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        // A single name is of this file, or was imported and counted there.
        if segments.len() > 1
            && let Some(path) = self.absolute(&segments)
        {
            self.module.uses.insert(path);
        }
        syn::visit::visit_path(self, path);
    }
}

/// Returns the path of a file's module; that of lib.rs is empty.
fn module_path(folder: &str, source: &Source) -> Path {
    let below = source.path.strip_prefix(folder).unwrap_or(&source.path);
    let below = below.trim_start_matches('/').trim_end_matches(".rs");
    match below {
        "lib" => Vec::new(),
        _ => below.split('/').map(str::to_owned).collect(),
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let tokens = attribute
            .meta
            .require_list()
            .map_or_else(|_| String::new(), |list| list.tokens.to_string());
        attribute.path().is_ident("cfg") && (tokens.contains("test") || tokens.contains("fuzzing"))
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "`Item` is non-exhaustive; the others name no paths of ours"
)]
fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns every path of a file that leads out of its crate, as it is written.
pub(super) fn outside_paths(source: &Source) -> BTreeSet<String> {
    struct Paths(BTreeSet<String>);
    impl Paths {
        fn tree(&mut self, tree: &UseTree, before: &str) {
            match tree {
                UseTree::Path(path) => {
                    self.tree(&path.tree, &format!("{before}{}::", path.ident));
                }
                UseTree::Group(group) => {
                    group.items.iter().for_each(|tree| self.tree(tree, before));
                }
                UseTree::Name(name) => drop(self.0.insert(format!("{before}{}", name.ident))),
                UseTree::Rename(name) => drop(self.0.insert(format!("{before}{}", name.ident))),
                UseTree::Glob(_) => drop(self.0.insert(before.to_owned())),
            }
        }
    }
    impl<'ast> Visit<'ast> for Paths {
        fn visit_item(&mut self, item: &'ast Item) {
            if !is_test(attributes(item)) {
                syn::visit::visit_item(self, item);
            }
        }

        fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
            self.tree(&item.tree, "");
        }

        fn visit_path(&mut self, path: &'ast syn::Path) {
            let segments: Path = path
                .segments
                .iter()
                .map(|part| part.ident.to_string())
                .collect();
            if segments.len() > 1 {
                self.0.insert(segments.join("::"));
            }
            syn::visit::visit_path(self, path);
        }
    }
    let mut paths = Paths(BTreeSet::new());
    paths.visit_file(&syn::parse_file(&source.text).unwrap());
    paths.0
}
