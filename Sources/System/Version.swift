import Synchronization

/// The version of kaon, as `kaon --version` prints it.
package let kaonVersion = "0.1.0"

/// The git commit that the program was built from.
///
/// The executable sets it at its start: a new commit then only requires the executable to be compiled again, not the
/// modules.
package struct SourceRevision: Sendable, Equatable {
    /// Nil if it is unknown, as for a build outside git.
    package var commit: String?
    /// True if a source file differed from the commit.
    package var isModified: Bool

    package init(commit: String? = nil, isModified: Bool = false) {
        (self.commit, self.isModified) = (commit, isModified)
    }

    private static let known = Mutex(SourceRevision())

    /// The revision of this program; unknown until it is set.
    package static var current: SourceRevision {
        get { known.withLock { $0 } }
        set { known.withLock { $0 = newValue } }
    }

    /// The commit, with a remark if files were modified; `unknown` without one.
    package var description: String { commit.map { $0 + (isModified ? " (modified)" : "") } ?? "unknown" }
}
