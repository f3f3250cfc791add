import HDF5
import NN
import System
import Tensors

/// One file with everything that a run needs to continue: `/model`, `/optimizer`, `/state` and the configuration.
///
/// All contents carry checksums that are compared on reading: Fletcher-32 for stored chunks, and one each for the
/// values of a dataset and the attributes of a group. A file is written under a temporary name, synchronised and
/// renamed: it is complete or absent.
///
/// `/optimizer` has a group for each state tensor, an attribute `updates`, and an attribute `name` unless the optimizer
/// is AdamW, which older checkpoints do not name.
package enum Checkpoint {
    private static let format = 2
    /// The optimizer of checkpoints that do not name theirs.
    private static let unnamedOptimizer = "adamw"

    /// Writes a checkpoint; `writeState` adds what else the run needs to `/state`.
    ///
    /// - Parameters:
    ///   - values: the values to write, of all elements of `parameters`.
    ///   - provenance: becomes attributes of the root; nothing in it depends on the time, so that equal runs write
    ///     equal files.
    package static func write(
        to path: String, parameters: ParameterStore, values: TrainedValues, state: TrainingState,
        configuration: String, provenance: Provenance = Provenance(), writeState: (borrowing Group) throws -> Void
    ) throws {
        try replaceFile(path, isSealed: true) { root in
            try root.setAttribute("format", to: format)
            try root.setAttribute("configuration", to: configuration)
            try provenance.save(to: root)
            try root.sealAttributes()
            try write(parameters, values: values.parameters, to: root.createGroup("model"))
            let group = try root.createGroup("optimizer")
            let optimizer = values.optimizer
            if optimizer.optimizer != unnamedOptimizer { try group.setAttribute("name", to: optimizer.optimizer) }
            try group.setAttribute("updates", to: optimizer.updates)
            try group.sealAttributes()
            invariant(
                optimizer.elements == ElementRanges(allOf: parameters),
                "a checkpoint lacks a part of the optimizer's state")
            for entry in optimizer.entries {
                try write(parameters, values: entry.values, to: group.createGroup(entry.name))
            }
            let stateGroup = try root.createGroup("state")
            try state.save(to: stateGroup)
            try writeState(stateGroup)
            try stateGroup.sealAttributes()
        }
    }

    /// Reads a whole checkpoint and compares it with its checksums.
    ///
    /// Throws `HDF5Error` if it is missing or damaged, `KaonError` if it is not a checkpoint of this version.
    package static func verify(_ path: String) throws {
        let file = try openSealed(path)
        try file.root.verify()
        try checkFormat(file.root, path)
    }

    /// Reads a checkpoint into an optimizer and its parameters, and returns the position of the run; `readState` reads
    /// from `/state` before any parameter is read.
    ///
    /// Throws `KaonError` if the file is not a checkpoint, or one of another model or optimizer; `HDF5Error` if it is
    /// damaged; and the errors of `readState`.
    package static func read(
        from path: String, into optimizer: any Optimizer, readState: (borrowing Group) throws -> Void
    ) throws -> TrainingState {
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        let stateGroup = try file.root.group("state")
        try stateGroup.verifyAttributes()
        try readState(stateGroup)
        try readModel(file.root, path, optimizer.parameters)
        try readOptimizer(file.root.group("optimizer"), path, into: optimizer)
        return try TrainingState(from: stateGroup)
    }

    private static func readOptimizer(_ group: borrowing Group, _ path: String, into optimizer: any Optimizer) throws {
        try group.verifyAttributes()
        let found = group.hasAttribute("name") ? try group.stringAttribute("name") : unnamedOptimizer
        let state = optimizer.state
        guard found == state.optimizer else {
            throw KaonError("\(path) is a checkpoint of optimizer \(found); this run has optimizer \(state.optimizer)")
        }
        for entry in state.entries {
            // A run that keeps an average from now on starts it at the weights of the checkpoint.
            if entry.name == WeightAverage.name, !group.contains(entry.name) {
                state.average?.restart(from: optimizer.parameters, state.elements)
                continue
            }
            let values = try group.group(entry.name)
            for parameter in optimizer.parameters.parameters {
                try read(parameter, into: entry, of: state.elements, from: values, path)
            }
        }
        var updates = try group.intsAttribute("updates")
        // In earlier versions a probe belonged to the group of the model, with which it was updated.
        if updates.count == 1 { updates = state.updates.map { _ in updates[0] } }
        guard updates.count == state.updates.count else {
            throw KaonError("\(path) has \(updates.count) parameter groups; this run has \(state.updates.count)")
        }
        optimizer.state.updates = updates
    }

    /// Reads the elements of a parameter whose state this rank has.
    private static func read(
        _ parameter: Parameter, into entry: OptimizerState.Entry, of elements: ElementRanges,
        from group: borrowing Group, _ path: String
    ) throws {
        let parts = elements.parts(in: parameter.range)
        guard !parts.isEmpty else { return }
        let whole = Tensor(shape: parameter.shape)
        try read(parameter, into: whole, from: group, path)
        for part in parts {
            (entry.values.pointer + part.compact.lowerBound).update(
                from: whole.pointer + part.elements.lowerBound - parameter.range.lowerBound, count: part.elements.count)
        }
    }

    /// Reads the weights only. Throws `KaonError` if one has values that are not finite.
    ///
    /// - Parameter average: true for the moving average of the weights.
    package static func readWeights(
        from path: String, into parameters: ParameterStore, average: Bool = false
    ) throws {
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        try readModel(file.root, path, parameters)
        if average {
            try read(parameters, into: parameters.values, from: readAverage(file.root, path), path)
        }
        for parameter in parameters.parameters {
            let slice = parameters.values.slice(parameter.range, shape: parameter.shape)
            try checkIsFinite(slice, of: parameter.name, in: path)
        }
    }

    /// Reads the weights of one parameter group from a checkpoint that may have others as well. Throws `KaonError` if
    /// one has values that are not finite.
    ///
    /// - Parameter average: true for the moving average of the weights.
    package static func readWeights(
        from path: String, into parameters: ParameterStore, group: String, average: Bool = false
    ) throws {
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        let model: Group
        if average { model = try readAverage(file.root, path) } else { model = try file.root.group("model") }
        for part in parameters.groups where part.name == group {
            for parameter in parameters.parameters[part.parameters] {
                guard model.contains(parameter.name) else {
                    throw KaonError("\(path) has no backbone like that of model: it lacks \(parameter.name)")
                }
                let slice = parameters.values.slice(parameter.range, shape: parameter.shape)
                try read(parameter, into: slice, from: model, path)
                try checkIsFinite(slice, of: parameter.name, in: path)
            }
        }
    }

    /// Preprocessing, classes and objective state of a checkpoint.
    package static func fittedState(of path: String) throws -> FittedState {
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        return try FittedState(from: file.root.group("state"))
    }

    /// The configuration with which a checkpoint was trained, as YAML.
    package static func configuration(of path: String) throws -> String {
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        return try file.root.stringAttribute("configuration")
    }

    /// Number of steps for which a checkpoint was trained.
    package static func step(of path: String) throws -> Int {
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        return try file.root.group("state").intAttribute("step")
    }

    /// The best checkpoint of the run when a checkpoint was written.
    static func best(of path: String) throws -> TrainingState.Best? {
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        let group = try file.root.group("state")
        try group.verifyAttributes()
        return try TrainingState(from: group).best
    }

    /// The checksum of all bytes of a checkpoint, which identifies its weights, in hexadecimal.
    package static func checksum(of path: String) throws -> String {
        try checkIsNoRun(path)
        return try FileSeal.checksum(of: path)
    }

    /// Lines about the program, the command and the machine of the training; a checkpoint of an earlier version has
    /// that of the program alone.
    package static func provenance(of path: String) throws -> [String] {
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        return try ["kaon: \(file.root.stringAttribute("kaon"))"] + Provenance.lines(in: file.root)
    }

    /// Throws `KaonError` unless the file is a checkpoint in a format that this version reads.
    package static func checkFormat(_ root: borrowing Group, _ path: String) throws {
        guard root.contains("model"), root.hasAttribute("format") else {
            throw KaonError("\(path) is not a checkpoint of kaon")
        }
        try root.verifyAttributes()
        let found = try root.intAttribute("format")
        guard found == format else {
            throw KaonError("\(path) has checkpoint format \(found); this kaon reads format \(format)")
        }
    }

    private static func readModel(
        _ root: borrowing Group, _ path: String, _ parameters: ParameterStore
    ) throws {
        let model = try root.group("model")
        let stored = Set(try model.children.map(\.name))
        let wanted = Set(parameters.parameters.map(\.name))
        if let missing = wanted.subtracting(stored).min() {
            throw KaonError("\(path) is a checkpoint of another model: it has no parameter \(missing)")
        }
        if let surplus = stored.subtracting(wanted).min() {
            throw KaonError("\(path) is a checkpoint of another model: it has a parameter \(surplus)")
        }
        try read(parameters, into: parameters.values, from: model, path)
    }

    /// The group of the moving average of the weights. Throws `KaonError` if the run kept none.
    private static func readAverage(_ root: borrowing Group, _ path: String) throws -> Group {
        let optimizer = try root.group("optimizer")
        guard optimizer.contains(WeightAverage.name) else {
            throw KaonError(
                "\(path) has no moving average of the weights: it was trained without training.average; leave the key "
                    + "or the option out")
        }
        return try optimizer.group(WeightAverage.name)
    }

    private static func write(
        _ parameters: ParameterStore, values: Tensor, to group: borrowing Group
    ) throws {
        for parameter in parameters.parameters {
            let slice = values.slice(parameter.range, shape: parameter.shape)
            try group.writeVerified(
                UnsafeBufferPointer(slice.buffer), shape: slice.shape, as: parameter.name)
        }
    }

    private static func read(
        _ parameters: ParameterStore, into values: Tensor, from group: borrowing Group, _ path: String
    ) throws {
        for parameter in parameters.parameters {
            try read(
                parameter, into: values.slice(parameter.range, shape: parameter.shape), from: group, path)
        }
    }

    private static func read(
        _ parameter: Parameter, into tensor: Tensor, from group: borrowing Group, _ path: String
    ) throws {
        let dataset = try group.dataset(parameter.name)
        guard dataset.shape == parameter.shape else {
            throw KaonError(
                "\(path) is a checkpoint of another model: \(parameter.name) has shape \(dataset.shape), "
                    + "this model has \(parameter.shape)")
        }
        try dataset.readVerified(into: tensor.buffer)
    }
}
