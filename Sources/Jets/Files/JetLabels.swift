import HDF5

/// The dataset `/labels` of a file of jets: the class of each jet, and the names of the classes.
struct JetLabels: ~Copyable, Sendable {
    /// The names by label: those in the file, or else the given ones; empty if there are none.
    let classNames: [String]
    /// True if the file names its classes.
    let areNamed: Bool
    private let path: String
    private let dataset: Dataset

    /// Opens the dataset and checks that it has `count` labels, one for each jet in the dataset `other`.
    ///
    /// - Parameter names: the names of the classes if the file does not name them.
    init(path: String, root: borrowing Group, count: Int, as other: String, names given: [String]) throws {
        let dataset = try root.dataset("labels")
        guard dataset.shape == [count] else {
            throw JetFileRules.misfit(path, dataset, "\([count]) as in \(other)")
        }
        try JetFileRules.require(path, dataset, JetFileRules.integers, "integers")
        try dataset.checkFilters()
        let areNamed = dataset.hasAttribute("names")
        let names = areNamed ? try dataset.stringsAttribute("names") : given
        try Self.check(names, path)
        self.areNamed = areNamed
        classNames = names
        self.path = path
        self.dataset = dataset
    }

    /// Throws `JetError` if the name of a class is empty or repeated: names identify classes.
    private static func check(_ names: [String], _ path: String) throws {
        let remedy = "correct the attribute 'names' of /labels"
        var labels: [String: Int] = [:]
        for (label, name) in names.enumerated() {
            guard !name.isEmpty else {
                throw JetError(
                    "\(path): the name of class \(label) is empty (\(names.joined(separator: ", "))): \(remedy)")
            }
            if let other = labels.updateValue(label, forKey: name) {
                throw JetError("\(path): the classes \(other) and \(label) are both named '\(name)': \(remedy)")
            }
        }
    }

    /// Throws `JetError` if labels were not stored.
    func checkStorage() throws { try JetFileRules.checkStorage(path, dataset) }

    /// True if the labels are those of other files.
    var isVirtual: Bool { dataset.isVirtual }

    /// The number of labels in a chunk; 1 if the dataset is not chunked.
    var chunk: Int { dataset.chunks?[0] ?? 1 }

    /// Reads labels. Throws `HDF5Error`, or `JetError` at an unknown class.
    func read(_ rows: Range<Int>) throws -> [Int32] {
        let stored = UnsafeMutableBufferPointer<Int>.allocate(capacity: rows.count)
        defer { stored.deallocate() }
        try dataset.read(rows: rows, into: stored)
        let classes = classNames.isEmpty ? 0...Int(Int32.max) : 0...classNames.count - 1
        return try stored.enumerated().map { index, label in
            guard classes.contains(label) else {
                let (source, remedy) =
                    areNamed
                    ? ("the file", "the attribute 'names' of /labels") : ("data.class_names", "data.class_names")
                let number = classNames.count == 1 ? "1 class" : "\(classNames.count) classes"
                let known =
                    classNames.isEmpty
                    ? "classes are numbered from 0"
                    : "\(source) names \(number) (\(classNames.joined(separator: ", ")))"
                throw JetError(
                    "\(path): /labels, row \(rows.lowerBound + index) is \(label), but \(known): correct the "
                        + "label or \(classNames.isEmpty ? "the attribute 'names' of /labels" : remedy)")
            }
            return Int32(label)
        }
    }
}
