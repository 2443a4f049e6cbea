//! The names: folders with what is in them, and which of it would be there after a power failure.
//!
//! Invariant: `durable` names plus the `changes` in their order are the names that everybody sees. A change (a file
//! made, moved or removed) is whole or not at all, and each may survive without those before it until a folder of it is
//! synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;

use super::content::Content;
use crate::testing::Random;

pub(super) type Id = u64;
pub(super) const ROOT: Id = 0;

#[derive(Debug)]
pub(super) enum Node {
    File(File),
    Folder(Folder),
}

#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) content: Content,
    /// It stays while it is open, whether it has a name or not.
    pub(super) handles: u32,
}

#[derive(Debug, Default)]
pub(super) struct Folder {
    pub(super) names: BTreeMap<String, Id>,
    durable: BTreeMap<String, Id>,
}

/// A change of names: in these folders, these names lead there.
#[derive(Debug)]
struct Change(Vec<(Id, String, Option<Id>)>);

#[derive(Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<Id, Node>,
    next: Id,
    changes: Vec<Change>,
}

impl Tree {
    pub(super) fn new() -> Self {
        Tree { nodes: BTreeMap::from([(ROOT, Node::Folder(Folder::default()))]), next: ROOT + 1, changes: Vec::new() }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<Id> {
        parts(path).try_fold(ROOT, |at, name| {
            self.folder(at)?.names.get(name).copied().ok_or_else(|| io::Error::from(Errno::ENOENT))
        })
    }

    /// Everything below a folder, each folder before what is in it.
    pub(super) fn below(&self, folder: &Path) -> Vec<(PathBuf, Id)> {
        let mut found = Vec::new();
        let mut folders: Vec<(PathBuf, Id)> = self.find(folder).map(|id| (folder.to_owned(), id)).into_iter().collect();
        while let Some((path, id)) = folders.pop() {
            let Ok(inside) = self.folder(id) else { continue };
            let inside: Vec<(PathBuf, Id)> = inside.names.iter().map(|(name, id)| (path.join(name), *id)).collect();
            found.extend(inside.iter().cloned());
            folders.extend(inside);
        }
        found
    }

    pub(super) fn folder(&self, id: Id) -> io::Result<&Folder> {
        match self.nodes.get(&id) {
            Some(Node::Folder(folder)) => Ok(folder),
            Some(Node::File(_)) => Err(Errno::ENOTDIR.into()),
            None => Err(Errno::ENOENT.into()),
        }
    }

    /// What a file holds; `None` for a folder.
    pub(super) fn bytes_of(&self, id: Id) -> Option<&[u8]> {
        match self.nodes.get(&id) {
            Some(Node::File(file)) => Some(file.content.bytes()),
            _ => None,
        }
    }

    pub(super) fn file(&mut self, id: Id) -> io::Result<&mut File> {
        match self.nodes.get_mut(&id) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder(_)) => Err(Errno::EISDIR.into()),
            None => Err(Errno::ENOENT.into()),
        }
    }

    pub(super) fn len_of(&self, id: Id) -> Option<u64> {
        self.bytes_of(id).map(|bytes| bytes.len() as u64)
    }

    /// The folder of a path, and its last name.
    fn place<'p>(&self, path: &'p Path) -> io::Result<(Id, &'p str)> {
        let name = parts(path).last().ok_or_else(|| io::Error::from(Errno::EISDIR))?;
        Ok((self.find(path.parent().unwrap_or(Path::new("")))?, name))
    }

    /// Finds or makes a file.
    pub(super) fn file_or_create(&mut self, path: &Path) -> io::Result<Id> {
        let (folder, name) = self.place(path)?;
        match self.folder(folder)?.names.get(name) {
            Some(&id) => self.file(id).map(|_| id),
            None => Ok(self.add(folder, name, Node::File(File::default()))),
        }
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut at = ROOT;
        for name in parts(path) {
            at = match self.folder(at)?.names.get(name) {
                Some(&id) => self.folder(id).map(|_| id)?,
                None => self.add(at, name, Node::Folder(Folder::default())),
            };
        }
        Ok(())
    }

    fn add(&mut self, folder: Id, name: &str, node: Node) -> Id {
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, node);
        self.change(vec![(folder, name.to_owned(), Some(id))]);
        id
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let id = self.find(from)?;
        let (from_folder, from_name) = self.place(from)?;
        let (to_folder, to_name) = self.place(to)?;
        let is_folder = matches!(self.nodes.get(&id), Some(Node::Folder(_)));
        match self.folder(to_folder)?.names.get(to_name).and_then(|id| self.nodes.get(id)) {
            Some(Node::Folder(_)) if !is_folder => return Err(Errno::EISDIR.into()),
            Some(Node::Folder(over)) if !over.names.is_empty() => return Err(Errno::ENOTEMPTY.into()),
            Some(Node::File(_)) if is_folder => return Err(Errno::ENOTDIR.into()),
            _ => {}
        }
        self.change(vec![(from_folder, from_name.to_owned(), None), (to_folder, to_name.to_owned(), Some(id))]);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let id = self.find(path)?;
        self.file(id)?;
        let (folder, name) = self.place(path)?;
        self.change(vec![(folder, name.to_owned(), None)]);
        Ok(())
    }

    pub(super) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let id = self.find(path)?;
        if !self.folder(id)?.names.is_empty() {
            return Err(Errno::ENOTEMPTY.into());
        }
        let (folder, name) = self.place(path)?;
        self.change(vec![(folder, name.to_owned(), None)]);
        Ok(())
    }

    fn change(&mut self, places: Vec<(Id, String, Option<Id>)>) {
        for (folder, name, id) in &places {
            if let Some(Node::Folder(folder)) = self.nodes.get_mut(folder) {
                set(&mut folder.names, name, *id);
            }
        }
        self.changes.push(Change(places));
    }

    /// Makes the names in a folder durable, and with them what belongs to the same changes.
    pub(super) fn sync_dir(&mut self, id: Id) {
        let changes = std::mem::take(&mut self.changes);
        let (synced, rest): (Vec<Change>, Vec<Change>) =
            changes.into_iter().partition(|change| change.0.iter().any(|(folder, ..)| *folder == id));
        self.changes = rest;
        for Change(places) in synced {
            for (folder, name, id) in &places {
                // What was done to the same name before is history now.
                self.changes.iter_mut().for_each(|change| change.0.retain(|(f, n, _)| (f, n) != (folder, name)));
                self.set_durable(*folder, name, *id);
            }
        }
        self.collect();
    }

    fn set_durable(&mut self, folder: Id, name: &str, id: Option<Id>) {
        if let Some(Node::Folder(folder)) = self.nodes.get_mut(&folder) {
            set(&mut folder.durable, name, id);
        }
    }

    pub(super) fn sync_all(&mut self) {
        for Change(places) in std::mem::take(&mut self.changes) {
            places.iter().for_each(|(folder, name, id)| self.set_durable(*folder, name, *id));
        }
        self.files().for_each(|file| file.content.sync());
        self.collect();
    }

    pub(super) fn files(&mut self) -> impl Iterator<Item = &mut File> {
        self.nodes.values_mut().filter_map(|node| match node {
            Node::File(file) => Some(file),
            Node::Folder(_) => None,
        })
    }

    /// Bytes of the files that have a name.
    pub(super) fn used_bytes(&self) -> u64 {
        let named = self.reachable([ROOT].into(), |folder| folder.names.values().copied().collect());
        named.iter().filter_map(|id| self.len_of(*id)).sum()
    }

    /// The power went: of the changes that were not synced any may have survived.
    pub(super) fn lose_power(&mut self, random: &mut Random) {
        let changes = std::mem::take(&mut self.changes);
        let mode = random.below(4);
        let cut = random.below(changes.len() + 1);
        for (at, Change(places)) in changes.iter().enumerate() {
            let survives = match mode {
                0 => false,
                1 => true,
                2 => at < cut,
                _ => random.percent(50),
            };
            if survives {
                places.iter().for_each(|(folder, name, id)| self.set_durable(*folder, name, *id));
            }
        }
        for node in self.nodes.values_mut() {
            match node {
                Node::File(file) => {
                    file.content.lose_power(random);
                    file.handles = 0;
                }
                Node::Folder(folder) => folder.names = folder.durable.clone(),
            }
        }
        self.collect();
    }

    /// All files are closed.
    pub(super) fn close_all(&mut self) {
        self.files().for_each(|file| file.handles = 0);
        self.collect();
    }

    /// Forgets what no name leads to or may come to lead to again.
    fn collect(&mut self) {
        let mut roots = BTreeSet::from([ROOT]);
        roots.extend(self.changes.iter().flat_map(|change| change.0.iter().filter_map(|(.., id)| *id)));
        let open = self.nodes.iter().filter(|(_, node)| matches!(node, Node::File(file) if file.handles > 0));
        roots.extend(open.map(|(id, _)| *id));
        let live =
            self.reachable(roots, |folder| folder.names.values().chain(folder.durable.values()).copied().collect());
        self.nodes.retain(|id, _| live.contains(id));
    }

    fn reachable(&self, roots: BTreeSet<Id>, below: impl Fn(&Folder) -> Vec<Id>) -> BTreeSet<Id> {
        let mut found = roots.clone();
        let mut open: Vec<Id> = roots.into_iter().collect();
        while let Some(id) = open.pop() {
            if let Some(Node::Folder(folder)) = self.nodes.get(&id) {
                open.extend(below(folder).into_iter().filter(|id| found.insert(*id)));
            }
        }
        found
    }
}

fn set(names: &mut BTreeMap<String, Id>, name: &str, id: Option<Id>) {
    match id {
        Some(id) => _ = names.insert(name.to_owned(), id),
        None => _ = names.remove(name),
    }
}

/// The names of a path; the root and the folder at hand are the same here.
fn parts(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    })
}
