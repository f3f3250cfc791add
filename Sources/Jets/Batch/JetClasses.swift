/// The names of the classes of a task, in the order of its outputs. Names identify classes, because the label of a
/// class may differ between files.
package struct JetClasses: Sendable, Equatable {
    package let names: [String]
    package var count: Int { names.count }

    package init(_ names: [String]) {
        self.names = names
    }

    /// The chosen classes of a dataset, or all of them. Throws `JetError` if its files do not name their classes.
    package init(_ choice: JetChoice, in dataset: JetDataset) throws {
        guard !dataset.classNames.isEmpty else {
            throw JetError(
                "\(dataset.paths[0]) does not name its classes: list the names of its labels in data.class_names, or "
                    + "write them into the attribute 'names' of /labels")
        }
        names = choice.classes ?? dataset.classNames
    }

    /// The class of each label of a dataset; −1 for labels of other classes, whose jets must not be in use.
    package func indices(in dataset: JetDataset) -> [Int32] {
        dataset.classNames.map { name in Int32(names.firstIndex(of: name) ?? -1) }
    }
}
