import System

extension Tape {
    /// A function of the rows of a matrix with activation checkpointing (Chen et al., arXiv:1604.06174): intermediate
    /// values are not kept, but computed again in the backward pass, block by block.
    ///
    /// - Parameters:
    ///   - x: the argument, a constant: `[rows, channels]`.
    ///   - parameters: all variables with a gradient that the function uses.
    ///   - outputs: channels of the result.
    ///   - blockRows: rows of a block.
    ///   - function: maps some of the rows, recording onto the tape that it receives.
    /// - Returns: the results, `[rows, outputs]`, in single precision.
    package func recomputed(
        _ name: String, of x: Tensor, parameters: [Variable], outputs: Int, blockRows: Int = 16384,
        _ function: @escaping (Tape, Variable) -> Variable
    ) -> Variable {
        let precision = precision
        // Without rows, the gradients of the parameters must still be overwritten.
        let blocks =
            x.rows == 0
            ? [0..<0] : stride(from: 0, to: x.rows, by: blockRows).map { $0..<min($0 + blockRows, x.rows) }
        let y = Tensor(shape: [x.rows, outputs])
        for block in blocks {
            let tape = Tape(recording: false, precision: precision)
            let result = function(tape, Variable(constant: x.rows(block))).value
            invariant(result.shape == [block.count, outputs], "a result of shape \(result.shape), not \(outputs) wide")
            y.rows(block).pointer.update(from: result.pointer, count: result.count)
            count(operationsOf: tape)
        }
        return record(name, y, from: parameters) { [unowned self] dy in
            for block in blocks {
                let tape = Tape(precision: precision)
                let result = function(tape, Variable(constant: x.rows(block)))
                let forward = tape.operations
                tape.backward(from: result, seed: dy.rows(block).copy())
                // The second forward pass does not count as work.
                count(operationsOf: tape, without: forward)
            }
        }
    }
}
