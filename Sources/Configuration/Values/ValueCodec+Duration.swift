extension ValueCodec<Double> {
    /// A time in seconds: a number of seconds, a number with one of the units s, m, h and d, or `hours:minutes:seconds`
    /// with optional `days-` in front, as in Slurm.
    static var duration: ValueCodec {
        ValueCodec(
            typeName: "a time such as 2h, 90m, 23:50:00 or a number of seconds",
            decode: { content in
                let seconds: Double? =
                    switch content {
                    case .integer(let integer): Double(integer)
                    case .number(let number): number
                    case .string(let text): seconds(of: text)
                    default: nil
                    }
                guard let seconds else { throw Mismatch.wrongType() }
                guard seconds > 0 else { throw Mismatch.invalidValue("must be greater than 0") }
                return seconds
            },
            encode: { Int(exactly: $0).map(Value.Content.integer) ?? .number($0) })
    }

    private static func seconds(of text: String) -> Double? {
        if let match = text.wholeMatch(of: /(\d{1,9}(?:\.\d{1,9})?) ?([smhd])/) {
            return Double(match.1)! * ["s": 1, "m": 60, "h": 3600, "d": 86400][match.2]!
        }
        // Two numbers are ambiguous: hours and minutes, or, as in Slurm, minutes and seconds.
        guard let match = text.wholeMatch(of: /(?:(\d{1,5})-)?(\d{1,5}):([0-5]\d):([0-5]\d)/) else { return nil }
        let (days, hours) = (Double(match.1 ?? "0")!, Double(match.2)!)
        return 86400 * days + 3600 * hours + 60 * Double(match.3)! + Double(match.4)!
    }
}
