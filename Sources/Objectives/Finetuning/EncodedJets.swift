import Tensors

/// Outputs of a backbone for some jets.
package struct EncodedJets {
    /// `[tokens + registers · jets, width]`, the registers first in each jet.
    package let output: Variable
    /// Offsets of the jets in the output.
    package let offsets: Offsets
    let registers: Int

    /// Rows of the constituents alone, `[tokens, width]`.
    package func constituents(on tape: Tape) -> Variable {
        guard registers > 0 else { return output }
        var rows: [Int32] = []
        rows.reserveCapacity(offsets.tokens)
        for jet in 0..<offsets.jets { rows += offsets[jet].dropFirst(registers).lazy.map { Int32($0) } }
        return tape.gatherRows([output], index: rows)
    }
}
