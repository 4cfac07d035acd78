use hitbox_core::BackendLabel;

/// What a composition is called that is given no name.
pub(super) const DEFAULT_LABEL: BackendLabel = BackendLabel::new_static("composition");
