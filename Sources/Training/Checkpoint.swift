import Foundation
import HDF5
import NN
import Tensors

/// Where a run stands between two steps.
package struct TrainingState: Equatable {
    /// Steps done.
    package var step = 0
    package var epoch = 0
    /// Batches of this epoch that are done.
    package var stepInEpoch = 0
    /// Jets seen in all epochs.
    package var jets = 0
    /// Sums of the losses since the last logged row, and the steps in them.
    package var lossSums: [Double] = []
    package var lossSteps = 0
    /// Rows of `metrics.csv` so far.
    package var rows = 0

    package init() {}
}

/// One file with everything that a run needs to go on: `/model`, `/optimizer`, `/state`, and the
/// configuration.
///
/// Datasets of weights carry a Fletcher-32 checksum that HDF5 verifies on reading. A file is written under a
/// temporary name, brought to the disk and renamed: it is complete or absent.
package enum Checkpoint {
    private static let format = 1

    /// Writes a checkpoint; `writeState` adds what else the run needs to `/state`.
    package static func write(
        to path: String, parameters: ParameterStore, optimizer: AdamW, state: TrainingState,
        configuration: String,
        writeState: (borrowing Group) throws -> Void
    ) throws {
        try replaceFile(path) { root in
            try root.setAttribute("kaon", to: kaonVersion)
            try root.setAttribute("format", to: format)
            try root.setAttribute("configuration", to: configuration)
            try write(parameters, values: parameters.values, to: root.createGroup("model"))
            let group = try root.createGroup("optimizer")
            try group.setAttribute("updates", to: optimizer.updates)
            try write(parameters, values: optimizer.firstMoment, to: group.createGroup("first_moment"))
            try write(parameters, values: optimizer.secondMoment, to: group.createGroup("second_moment"))
            let stateGroup = try root.createGroup("state")
            try stateGroup.setAttribute("step", to: state.step)
            try stateGroup.setAttribute("epoch", to: state.epoch)
            try stateGroup.setAttribute("step_in_epoch", to: state.stepInEpoch)
            try stateGroup.setAttribute("jets", to: state.jets)
            try stateGroup.setAttribute("loss_sums", to: state.lossSums)
            try stateGroup.setAttribute("loss_steps", to: state.lossSteps)
            try stateGroup.setAttribute("rows", to: state.rows)
            try writeState(stateGroup)
        }
    }

    /// Reads a checkpoint into a model of the same parameters and returns where the run stood; `readState`
    /// sees `/state` before any parameter is read.
    ///
    /// Throws `TrainingError` when the file is no checkpoint or one of another model, `HDF5Error` when it is
    /// damaged, and what `readState` throws.
    package static func read(
        from path: String, parameters: ParameterStore, optimizer: AdamW,
        readState: (borrowing Group) throws -> Void
    ) throws -> TrainingState {
        let file = try File(opening: path)
        try checkFormat(file.root, path)
        let stateGroup = try file.root.group("state")
        try readState(stateGroup)
        try readModel(file.root, path, parameters)
        let group = try file.root.group("optimizer")
        try read(parameters, into: optimizer.firstMoment, from: group.group("first_moment"), path)
        try read(parameters, into: optimizer.secondMoment, from: group.group("second_moment"), path)
        optimizer.updates = try group.intAttribute("updates")
        var state = TrainingState()
        state.step = try stateGroup.intAttribute("step")
        state.epoch = try stateGroup.intAttribute("epoch")
        state.stepInEpoch = try stateGroup.intAttribute("step_in_epoch")
        state.jets = try stateGroup.intAttribute("jets")
        state.lossSums = try stateGroup.doublesAttribute("loss_sums")
        state.lossSteps = try stateGroup.intAttribute("loss_steps")
        state.rows = try stateGroup.intAttribute("rows")
        return state
    }

    /// Reads the weights alone.
    package static func readWeights(from path: String, into parameters: ParameterStore) throws {
        let file = try File(opening: path)
        try checkFormat(file.root, path)
        try readModel(file.root, path, parameters)
    }

    /// The configuration that a checkpoint was trained with.
    package static func configuration(of path: String) throws -> String {
        let file = try File(opening: path)
        try checkFormat(file.root, path)
        return try file.root.stringAttribute("configuration")
    }

    /// Throws `TrainingError` unless the file is a checkpoint that this version reads.
    static func checkFormat(_ root: borrowing Group, _ path: String) throws {
        guard root.contains("model"), root.hasAttribute("format") else {
            throw TrainingError("\(path) is not a checkpoint of kaon")
        }
        let found = try root.intAttribute("format")
        guard found == format else {
            throw TrainingError("\(path) has checkpoint format \(found); this kaon reads format \(format)")
        }
    }

    private static func readModel(
        _ root: borrowing Group, _ path: String, _ parameters: ParameterStore
    ) throws {
        let model = try root.group("model")
        let stored = Set(try model.children.map(\.name))
        let wanted = Set(parameters.parameters.map(\.name))
        if let missing = wanted.subtracting(stored).min() {
            throw TrainingError("\(path) is a checkpoint of another model: it has no parameter \(missing)")
        }
        if let surplus = stored.subtracting(wanted).min() {
            throw TrainingError("\(path) is a checkpoint of another model: it has a parameter \(surplus)")
        }
        try read(parameters, into: parameters.values, from: model, path)
    }

    private static func write(
        _ parameters: ParameterStore, values: Tensor, to group: borrowing Group
    ) throws {
        for parameter in parameters.parameters {
            let slice = values.slice(parameter.range, shape: parameter.shape)
            try group.writeChecked(slice, as: parameter.name)
        }
    }

    private static func read(
        _ parameters: ParameterStore, into values: Tensor, from group: borrowing Group, _ path: String
    ) throws {
        for parameter in parameters.parameters {
            let dataset = try group.dataset(parameter.name)
            guard dataset.shape == parameter.shape else {
                throw TrainingError(
                    "\(path) is a checkpoint of another model: \(parameter.name) has shape \(dataset.shape), "
                        + "this model has \(parameter.shape)")
            }
            let slice = values.slice(parameter.range, shape: parameter.shape)
            try dataset.read(rows: 0..<parameter.shape[0], into: slice.buffer)
        }
    }
}

extension Group {
    /// Writes a tensor as one checksummed chunk.
    func writeChecked(_ tensor: Tensor, as name: String) throws {
        let dataset = try createDataset(
            name, of: .float32, shape: tensor.shape, chunks: tensor.shape, filters: Filters(fletcher32: true))
        try dataset.write(rows: 0..<tensor.shape[0], from: UnsafeBufferPointer(tensor.buffer))
    }
}

/// Writes an HDF5 file so that `path` is the old file or the complete new one, whatever happens in between.
func replaceFile(_ path: String, _ write: (borrowing Group) throws -> Void) throws {
    let url = URL(fileURLWithPath: path)
    let folder = url.deletingLastPathComponent().path
    let temporary = folder + "/." + url.lastPathComponent + ".tmp"
    do {
        let file = try File(creating: temporary)
        try write(file.root)
        try file.close()
        try synchronizeFile(temporary)
        guard rename(temporary, path) == 0 else {
            throw TrainingError("cannot write \(path): \(systemReason())")
        }
    } catch {
        unlink(temporary)
        throw error
    }
    try synchronizeDirectory(folder)
}
