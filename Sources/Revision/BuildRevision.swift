/// The git commit that the program was built from.
///
/// The plugin `WriteRevision` adds the constants `commit`, nil if it is unknown, and `isModified`, true if a source
/// file differed from the commit.
package enum BuildRevision {}
