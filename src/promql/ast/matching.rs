//! How the series of two vectors find each other.

/// How many series of one side belong to how many of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Cardinality {
    /// One to one.
    #[default]
    OneToOne,
    /// Many of the left to one of the right: `group_left`.
    ManyToOne,
    /// One of the left to many of the right: `group_right`.
    OneToMany,
    /// Sets.
    ManyToMany,
}

impl Cardinality {
    /// The name in the tree's JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Cardinality::OneToOne => "one-to-one",
            Cardinality::ManyToOne => "many-to-one",
            Cardinality::OneToMany => "one-to-many",
            Cardinality::ManyToMany => "many-to-many",
        }
    }
}

/// What makes a pair of series of two vectors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VectorMatching {
    /// How many belong to how many.
    pub cardinality: Cardinality,
    /// The labels that are looked at, or those that are not.
    pub labels: Vec<String>,
    /// Whether `labels` are those that are looked at (`on`), or those that are not (`ignoring`).
    pub on: bool,
    /// The labels that the "one" side gives to the result.
    pub include: Vec<String>,
    /// What stands for a partner that is missing.
    pub fill: FillValues,
}

/// What stands for a partner that is missing; without a value the pair is left out.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FillValues {
    /// For a missing series of the left side.
    pub left: Option<f64>,
    /// For a missing series of the right side.
    pub right: Option<f64>,
}

impl FillValues {
    /// Whether any side is filled.
    pub fn is_any(&self) -> bool {
        self.left.is_some() || self.right.is_some()
    }
}
