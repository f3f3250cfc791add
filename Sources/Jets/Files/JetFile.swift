import HDF5
import MPI
import System

/// The selection of data that is read from files of jets.
package struct JetReading: Sendable, Equatable {
    /// The maximum number of constituents of a jet; the hardest are read.
    package var maxConstituents: Int
    /// Datasets with an integer for each constituent that are read as well, such as `vtx_id`.
    package var constituentLabels: [String]
    /// The features that files must have, and which further ones are read; nil for those of each file.
    package var features: JetFeatures?
    /// Numbers of each jet that are read as well, such as a target of a regression.
    package var quantities: [JetQuantity]
    /// The names of the classes by label in files that do not name them (`data.class_names`).
    package var classNames: [String]
    /// True to accept jets without constituents, which are errors otherwise (`data.allow_empty_jets`).
    package var allowsEmptyJets: Bool

    /// The datasets that are read besides those of the format.
    var furtherDatasets: [String] { constituentLabels + quantities.map(\.dataset) }

    package init(
        maxConstituents: Int = 128, constituentLabels: [String] = [], quantities: [JetQuantity] = [],
        classNames: [String] = [], allowsEmptyJets: Bool = false
    ) {
        self.allowsEmptyJets = allowsEmptyJets
        features = nil
        self.maxConstituents = maxConstituents
        self.constituentLabels = constituentLabels
        self.quantities = quantities
        self.classNames = classNames
    }
}

/// A file of jets of some format.
///
/// A new format is one file with a conforming class, and its entry in `JetFormats.all`.
package protocol JetFile: AnyObject, Sendable {
    /// The datasets that every file of the format contains.
    static var datasetNames: [String] { get }
    /// True if a file with this root is of the format.
    static func matches(_ root: borrowing Group) -> Bool

    /// Checks the structure of an open file. Throws `HDF5Error`, or `JetError` if it does not fit.
    ///
    /// - Parameter path: the path for messages.
    init(path: String, file: consuming File, reading: JetReading) throws

    /// The path as given.
    var path: String { get }
    /// The number of jets.
    var count: Int { get }
    /// The number of jets to read at once: a multiple of the chunk length unless chunks are large.
    var blockRows: Int { get }
    /// The names of the classes by label: those in the file, or else those of `JetReading`; empty if there are none.
    var classNames: [String] { get }
    /// True if the file itself names its classes.
    var namesClasses: Bool { get }
    /// The features of `csts`, and where they are in blocks.
    var storedFeatures: StoredFeatures { get }
    /// The leading dimensions of datasets with a row for each constituent.
    var constituentShape: [Int] { get }

    /// True if MPI-IO can read the file: not if datasets are virtual.
    var servesMPI: Bool { get }

    /// Throws `JetError` if the file does not contain all rows of its datasets: fill values would be read for them.
    /// For files of one process.
    func checkStorage() throws
    /// Reads jets, their constituents by decreasing pT, independently of other ranks. Throws `HDF5Error`, or `JetError`
    /// if a value is not finite, pT is not positive, or an identity or a class is unknown.
    func read(rows: Range<Int>) throws -> JetBlock
    /// Reads labels only. Throws as `read(rows:)`.
    func labels(rows: Range<Int>) throws -> [Int32]
    /// The number of constituents of each jet that `read(rows:)` would return, without reading them. Throws as
    /// `read(rows:)`.
    func constituentCounts(rows: Range<Int>) throws -> [Int]
    /// Reads the rows of a dataset with a row for each constituent: those of the constituents that `read(rows:)`
    /// returns. Throws as `read(rows:)`.
    ///
    /// - Parameter order: that of the block.
    func readConstituents(_ dataset: borrowing Dataset, rows: Range<Int>, order: [Int32]?) throws -> ColumnPart
}

/// The formats of files of jets.
enum JetFormats {
    /// The first format that matches a file applies. The last format matches any file and reports what it lacks.
    static let all: [any JetFile.Type] = [PackedFile.self, PaddedFile.self]
}

/// Opens a file of any format and checks its structure; collective if a communicator is given.
///
/// Throws `HDF5Error` or `AgreedError` if the file cannot be opened, and `JetError` if its structure does not fit.
package func openJetFile(
    _ path: String, reading: JetReading, on communicator: Communicator? = nil
) throws -> any JetFile {
    // Reads are of whole chunks that are not read again, so a chunk cache would be of no use.
    let file = try File(opening: path, on: communicator, chunkCacheBytes: 128 << 10)
    for format in JetFormats.all where format.matches(file.root) {
        return try format.init(path: path, file: file, reading: reading)
    }
    unreachable("no format of jets matches \(path)")
}
